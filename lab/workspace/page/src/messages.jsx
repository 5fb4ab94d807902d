import { Fragment, useEffect, useRef } from "react";
import { Message } from "./message.jsx";

const DAY = { weekday: "long", day: "numeric", month: "long" };
const TOGETHER_SECONDS = 300;

/** A list that stays at its end while one is at its end. */
export function Messages({ channel, messages, openThread, inThread }) {
  const list = useRef(null);
  const atEnd = useRef(true);
  useEffect(() => {
    const element = list.current;
    const stay = () => {
      if (atEnd.current) element.scrollTop = element.scrollHeight;
    };
    stay();
    const watcher = new ResizeObserver(stay);
    [...element.children].forEach((child) => watcher.observe(child));
    return () => watcher.disconnect();
  }, [messages]);
  const scrolled = ({ currentTarget: it }) => {
    atEnd.current = it.scrollHeight - it.scrollTop - it.clientHeight < 60;
  };
  return (
    <div className="messages" ref={list} onScroll={scrolled} role="log" aria-label="Messages" tabIndex={0}>
      {messages.length === 0 && <p className="empty">Nothing here yet.</p>}
      {messages.map((one, index) => (
        <Fragment key={one.ts}>
          {day(messages[index - 1]) !== day(one) && <h3 className="day">{day(one)}</h3>}
          {inThread && index === 1 && <p className="replies-line">{messages.length - 1} in reply</p>}
          <Message
            message={one}
            channel={channel}
            compact={follows(messages[index - 1], one) && !(inThread && index === 1)}
            openThread={openThread}
          />
        </Fragment>
      ))}
    </div>
  );
}

const day = (message) => message && new Date(Number(message.ts) * 1000).toLocaleDateString("en-GB", DAY);
const author = (message) => message.user ?? message.username;

function follows(before, message) {
  if (!before || before.ephemeral || message.ephemeral || before.reply_count || day(before) !== day(message)) return false;
  return author(before) === author(message) && Number(message.ts) - Number(before.ts) < TOGETHER_SECONDS;
}
