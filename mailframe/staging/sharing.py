"""How deliveries share one intake, so that octets are staged once for all of them."""

from __future__ import annotations

from zope.interface import Attribute

from mailframe.interfaces.delivery import IDelivery

from .intake import Intake


class ISharingDelivery(IDelivery):
    """A delivery that can be given a whole, sealed intake instead of writes."""

    content = Attribute("the IContent in which an intake must be staged to be adopted; None: it takes intakes in memory only")

    def adopt(intake: Intake) -> None:
        """Instead of write. The intake stays the giver's: this delivery reads it at commit and does not abort it."""
