import { useState } from "react";
import { Attachment } from "./attachment.jsx";
import { Blocks, Text } from "./blocks.jsx";
import { Icon } from "./icon.jsx";
import { useHere } from "./live.js";
import { Menu } from "./menu.jsx";

export function Avatar({ author, small }) {
  const style = { background: `#${author.colour ?? "757575"}` };
  if (author.handle === "kai") return <img className={small ? "avatar small" : "avatar"} src="/static/favicon.svg" alt="" />;
  const initials = author.name
    .split(" ")
    .map((word) => word[0])
    .join("")
    .slice(0, 2);
  return (
    <span className={small ? "avatar small" : "avatar"} style={style} aria-hidden="true">
      {initials}
    </span>
  );
}

const clock = (ts) => new Date(Number(ts) * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/** Who signs with a name of his own gets a colour by it. */
const signed = (name) => ({ name, bot: true, colour: /alert/i.test(name) ? "a30200" : "4a154b" });

export function Message({ message, compact, openThread }) {
  const { picture } = useHere();
  const known = picture.users[message.user];
  const author = message.username ? signed(message.username) : known;
  const classes = ["message", compact && "compact", message.ephemeral && "ephemeral"].filter(Boolean).join(" ");
  return (
    <article id={`m${message.ts}`} className={classes} aria-label={`${author.name}, ${clock(message.ts)}`}>
      <div className="gutter">{compact ? <time>{clock(message.ts)}</time> : <Avatar author={author} />}</div>
      <div className="body">
        {message.ephemeral && <p className="only-you">
            <Icon name="eye" /> Only visible to you
          </p>}
        {message.subtype === "thread_broadcast" && <p className="only-you">replied in a thread</p>}
        {!compact && (
          <p className="author">
            <b>{author.name}</b>
            {author.bot && <span className="app">APP</span>}
            {author.stranger && <span className="badge">another company</span>}
            {author.guest && <span className="badge">guest</span>}
            <time>{clock(message.ts)}</time>
          </p>
        )}
        <Content message={message} />
        <Reactions message={message} />
        {openThread && message.reply_count > 0 && <Replies {...{ message, openThread }} />}
      </div>
      {!message.ephemeral && <Tools {...{ message, openThread }} />}
    </article>
  );
}

function Content({ message }) {
  const where = message.ts;
  return (
    <>
      {message.blocks?.length ? (
        <Blocks blocks={message.blocks} where={where} />
      ) : (
        message.text && <Text text={message.text} />
      )}
      {message.edited && !message.blocks?.length && <span className="edited">(edited)</span>}
      {message.attachments?.map((one, index) => (
        <Attachment key={index} attachment={one} where={where} />
      ))}
      {message.files?.map((one) => (
        <File key={one.id} file={one} said={message.text} />
      ))}
    </>
  );
}

/** A picture, as wide as there is room; a click shows it at its own size. */
function Picture({ file, address, said }) {
  const [large, setLarge] = useState(false);
  const show = (dialog) => dialog && !dialog.open && dialog.showModal();
  const close = () => setLarge(false);
  const repeats = (said ?? "").startsWith(file.title.replace(/…$/, ""));
  return (
    <figure>
      {!repeats && <figcaption>{file.title}</figcaption>}
      <button type="button" className="picture" aria-label="Enlarge the picture" onClick={() => setLarge(true)}>
        <img src={address} alt={file.alt_txt || file.title} />
      </button>
      {large && (
        <dialog className="lightbox" ref={show} onCancel={close} onClick={close} aria-label={file.title}>
          <button type="button" className="element" onClick={close} autoFocus>
            Close
          </button>
          <div>
            <img src={address} alt={file.alt_txt || file.title} />
          </div>
        </dialog>
      )}
    </figure>
  );
}

function File({ file, said }) {
  const address = new URL(file.url_private).pathname;
  if (file.mimetype.startsWith("image/")) return <Picture {...{ file, address, said }} />;
  return (
    <details className="file">
      <summary>
        <Icon name="page" /> {file.title} <span>{file.size} bytes</span>
      </summary>
      <pre tabIndex={0}>{file.preview}</pre>
      <a href={address} target="_blank" rel="noreferrer">
        Whole file
      </a>
    </details>
  );
}

function Reactions({ message }) {
  const { act, me } = useHere();
  if (!message.reactions?.length) return null;
  return (
    <div className="reactions">
      {message.reactions.map((one) => {
        const mine = one.users.includes(me);
        const press = () => act({ act: "react", ts: message.ts, emoji: one.name, add: !mine });
        return (
          <button key={one.name} aria-pressed={mine} aria-label={`:${one.name}:, ${one.count}`} onClick={press}>
            <Text text={`:${one.name}:`} /> {one.count}
          </button>
        );
      })}
    </div>
  );
}

function Replies({ message, openThread }) {
  const { picture, isRead } = useHere();
  const isNew = !isRead(message);
  const users = message.reply_users.map((id) => picture.users[id]).filter(Boolean);
  const count = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
  return (
    <button className={isNew ? "replies unread" : "replies"} onClick={() => openThread(message.ts)}>
      {users.map((one) => (
        <Avatar key={one.id} author={one} small />
      ))}
      <b>{count}</b> <span>last {clock(message.latest_reply)}</span>
      {isNew && <em>new</em>}
    </button>
  );
}

function Tools({ message, openThread }) {
  const { act, me, picture, tell } = useHere();
  const shortcuts = Object.entries(picture.shortcuts).map(([id, title]) => ({ id, title }));
  const run = async ({ id }) => {
    const answer = await act({ act: "shortcut", ts: message.ts, callback_id: id });
    if (answer.error) tell(`The app did not answer: ${answer.error}`);
  };
  const eyes = message.reactions?.some((one) => one.name === "eyes" && one.users.includes(me));
  return (
    <div className="tools" role="group" aria-label="Message actions">
      <button aria-label="React with eyes" onClick={() => act({ act: "react", ts: message.ts, emoji: "eyes", add: !eyes })}>
        <Icon name="eye" />
      </button>
      {openThread && (
        <button aria-label="Reply in thread" onClick={() => openThread(message.thread_ts ?? message.ts)}>
          <Icon name="speech" />
        </button>
      )}
      <Menu label="More actions" sign="⋮" items={shortcuts} text={(one) => one.title} choose={run} />
    </div>
  );
}
