"""NO-SOLICITING (RFC 3865): what kinds of advertising are not wanted here; the header field is read in `pipeline.solicitation`."""

from __future__ import annotations

from mailframe.model.solicitation import ANY, classes, unwanted

from ..extension import Extension
from ..situation import MailDraft, Situation
from ..syntax import SyntaxFault


def keywords(situation: Situation) -> tuple[str, ...]:
    """The keyword with the classes, alone when all of them are meant (section 2.1)."""
    refused = situation.settings.no_soliciting
    if not refused:
        return ()
    return ("NO-SOLICITING" if ANY in refused else f"NO-SOLICITING {','.join(refused)}",)


def parse(draft: MailDraft, value: str | None) -> None:
    """``SOLICIT=class,class`` (section 2.3): up to 1,000 characters, kept in the trace field; what is refused is echoed (2.4)."""
    try:
        said = classes(value or "")
    except ValueError as error:
        raise SyntaxFault(str(error)) from None
    refusal = unwanted(said, draft.situation.settings.no_soliciting)
    if refusal is not None:
        raise refusal
    draft.solicitation = ",".join(said)


EXTENSION = Extension("NO-SOLICITING", "3865", keywords=keywords, mail_parameters={"SOLICIT": parse})
