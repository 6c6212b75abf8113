// What a user of Thunderbird does, as functions in its own window. Each ends when Thunderbird's own state says that it is done.
// A folder is named by its path ("INBOX", "Projects/One"), a message by its subject.

const FLAGS = Ci.nsMsgFolderFlags;
const PATIENCE_MS = 20_000;
const LOOK_AGAIN_MS = 20;
const ASK_AGAIN_MS = 1_000;

const account = () => MailServices.accounts.accounts.find(each => each.incomingServer.type == "imap");
const root = () => account().incomingServer.rootFolder;
const folder = path => path.split("/").reduce((parent, name) => parent.subFolders.find(each => each.name == name || each.onlineName == name), root())
  ?? fail(`no folder ${path}`);
const messages = path => [...folder(path).messages];
const message = (path, subject) => messages(path).find(each => each.mime2DecodedSubject == subject);
const path = each => each.QueryInterface(Ci.nsIMsgImapMailFolder).onlineName;

function fail(words) {
  throw new Error(words);
}

/** The first true value of `condition`, looked at again and again. */
async function until(condition, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = condition();
    if (found) {
      return found;
    }
    if (Date.now() > end) {
      fail(`waited in vain for ${what}`);
    }
    await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** An operation that tells a listener when it is over. */
function over(interfaces, start, ended) {
  return new Promise((resolve, reject) => {
    const end = (code, value) => (Components.isSuccessCode(code) ? resolve(value) : reject(new Error(`code 0x${code.toString(16)}`)));
    start({ QueryInterface: ChromeUtils.generateQI(interfaces), ...ended(end) });
  });
}

const copying = start => over(["nsIMsgCopyServiceListener"], start, end => ({
  onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId: () => null, onStopCopy: end,
}));

window.acting = {
  /** Both passwords, as the password manager keeps them. */
  async remember(user, password) {
    for (const origin of ["imap://127.0.0.1", "smtp://127.0.0.1"]) {
      const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
      login.init(origin, null, origin, user, password, "", "");
      await Services.logins.addLoginAsync(login);
    }
  },

  /** As "Confirm security exception" does: a certificate (base64 of its DER) that nobody has signed. */
  trust(port, certificate) {
    const known = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).constructX509FromBase64(certificate);
    Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService)
      .rememberValidityOverride("127.0.0.1", port, {}, known, false);
  },

  /** "Get messages"; until INBOX holds these. */
  async getMail(subjects) {
    account().incomingServer.getNewMessages(root(), window.msgWindow, null);
    await until(() => root().subFolders.length && subjects.every(each => message("INBOX", each)), `${subjects}`);
  },

  /** Each folder with its uses; when these are there, of which it learns one by one. */
  async folders(paths) {
    await until(() => paths.every(each => root().descendants.some(known => path(known) == each)), `folders ${paths}`);
    const uses = { Inbox: FLAGS.Inbox, Drafts: FLAGS.Drafts, Sent: FLAGS.SentMail, Junk: FLAGS.Junk, Trash: FLAGS.Trash, Archive: FLAGS.Archive };
    return Object.fromEntries(root().descendants.map(each => [
      path(each), Object.keys(uses).filter(use => each.flags & uses[use]),
    ]));
  },

  list(name) {
    return messages(name).map(each => ({
      uid: each.messageKey, subject: each.mime2DecodedSubject, read: each.isRead, flagged: each.isFlagged,
      keywords: each.getStringProperty("keywords").split(" ").filter(Boolean).sort(),
    }));
  },

  /** Until a folder holds these. */
  async holds(name, subjects) {
    await until(() => subjects.every(each => message(name, each)),
      `${name} to hold ${subjects}; it holds ${messages(name).map(each => each.mime2DecodedSubject)}`);
  },

  /** Until a folder holds none of these. */
  async lacks(name, subjects) {
    await until(() => !subjects.some(each => message(name, each)), `${name} to lose ${subjects}`);
  },

  /** Until a message is as `wanted` says. */
  async is(name, subject, wanted) {
    const now = () => this.list(name).find(each => each.subject == subject);
    await until(() => now() && Object.keys(wanted).every(key => `${now()[key]}` == `${wanted[key]}`),
      `${subject} to be ${JSON.stringify(wanted)}; it is ${JSON.stringify(now())}`);
  },

  /** Click on a message: its text is shown, and it is read then. */
  async read(name, subject) {
    const pane = window.document.getElementById("tabmail").currentAbout3Pane;
    pane.displayFolder(folder(name).URI);
    const header = message(name, subject);
    const row = () => pane.gDBView && pane.gDBView.findIndexOfMsgHdr(header, true);
    await until(() => row() >= 0 && row() < 0xffffffff, "its row");
    pane.threadTree.selectedIndex = row();
    const shown = () => pane.messageBrowser?.contentWindow?.getMessagePaneBrowser?.()?.contentDocument?.body?.textContent ?? "";
    await until(() => header.isRead && shown().trim(), "its text");
    return shown().trim();
  },

  /** Until a message is there under the UID that the server gave it (one copied here has another, made up, at first). */
  async isReal(name, subject) {
    let asked = 0;
    await until(() => {
      if (Date.now() - asked > ASK_AGAIN_MS) {
        asked = Date.now();
        folder(name).updateFolder(window.msgWindow);
      }
      return message(name, subject)?.messageKey < 0x80000000;
    }, `${subject} in ${name}`);
  },

  mark(name, subject, what, value) {
    const marking = { read: "markMessagesRead", flagged: "markMessagesFlagged" }[what];
    folder(name)[marking]([message(name, subject)], value);
  },

  tag(name, subject, keyword) {
    folder(name).addKeywordsToMessages([message(name, subject)], keyword);
  },

  async copy(from, subjects, to, moving) {
    await copying(listener => MailServices.copy.copyMessages(
        folder(from), subjects.map(each => message(from, each)), folder(to), moving, listener, window.msgWindow, true));
  },

  async create(parent, name) {
    const above = parent ? folder(parent) : root();
    above.createSubfolder(name, window.msgWindow);
    await until(() => above.subFolders.some(each => each.name == name), `folder ${name}`);
  },

  /** UIDs that the server finds. */
  async search(name, attribute, words) {
    const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
    const term = session.createTerm();
    const value = term.value;
    term.attrib = value.attrib = Ci.nsMsgSearchAttrib[attribute];
    value.str = words;
    term.value = value;
    term.op = Ci.nsMsgSearchOp.Contains;
    term.booleanAnd = true;
    session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder(name));
    session.appendTerm(term);
    const found = [];
    await over(["nsIMsgSearchNotify"], listener => { session.registerListener(listener); session.search(window.msgWindow); }, end => ({
      onNewSearch() {}, onSearchHit: header => found.push(header.messageKey), onSearchDone: end,
    }));
    return found.sort();
  },

  /** A letter as the compose window would send it. */
  async send(to, subject, text) {
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    const identity = account().defaultIdentity;
    Object.assign(fields, { from: identity.email, to, subject, body: `${text}\r\n`, forcePlainText: true, useMultipartAlternative: false });
    const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
    Object.assign(params, { composeFields: fields, identity, type: Ci.nsIMsgCompType.New, format: Ci.nsIMsgCompFormat.PlainText });
    await MailServices.compose.initCompose(params, null).sendMsg(Ci.nsIMsgCompDeliverMode.Now, identity, account().key, null, null);
  },

  async offline() {
    await window.MailOfflineMgr.toggleOfflineStatus();
    await until(() => Services.io.offline, "being offline");
  },

  /** And what was done offline is played back. */
  async online() {
    await window.MailOfflineMgr.toggleOfflineStatus();
    await until(() => !Services.io.offline, "being online");
  },
};
