import { useEffect } from "react";
import { Composer } from "./composer.jsx";
import { useHere } from "./live.js";
import { Messages } from "./messages.jsx";

export function Thread({ channel, ts, close }) {
  const [root, ...rest] = channel.messages.filter((one) => one.ts === ts || one.thread_ts === ts);
  const { markRead } = useHere();
  useEffect(() => {
    if (root?.latest_reply) markRead(root);
  }, [ts, root?.latest_reply]);
  if (!root) return null;
  // Escape in a window above the thread closes that window alone
  const leave = (event) => event.key === "Escape" && !event.target.closest("dialog") && close();
  return (
    <aside className="pane thread" aria-label="Thread" onKeyDown={leave}>
      <header>
        <h2>Thread</h2>
        <span className="topic">{channel.kind === "im" ? "KAI" : `#${channel.name}`}</span>
        <button className="quiet" aria-label="Close thread" onClick={close}>
          ✕
        </button>
      </header>
      <Messages key={ts} messages={[root, ...rest]} inThread />
      <Composer key={ts} channel={channel} thread={ts} label="Reply" />
    </aside>
  );
}
