import { Composer } from "./composer.jsx";
import { Messages } from "./messages.jsx";

export function Thread({ channel, ts, close }) {
  const [root, ...rest] = channel.messages.filter((one) => one.ts === ts || one.thread_ts === ts);
  if (!root) return null;
  return (
    <aside className="pane thread" aria-label="Thread" onKeyDown={(event) => event.key === "Escape" && close()}>
      <header>
        <h2>Thread</h2>
        <span className="topic">#{channel.name}</span>
        <button className="quiet" aria-label="Close thread" onClick={close}>
          ✕
        </button>
      </header>
      <Messages channel={channel} messages={[root, ...rest]} inThread />
      <Composer channel={channel} thread={ts} label="Reply" />
    </aside>
  );
}
