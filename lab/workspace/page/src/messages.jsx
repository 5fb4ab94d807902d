import { Fragment, useEffect, useRef, useState } from "react";
import { useHere } from "./live.js";
import { Message } from "./message.jsx";

const DAY = { weekday: "long", day: "numeric", month: "long" };
const TOGETHER_SECONDS = 300;

/** A list that stays at its end while one is at its end, goes there when one writes or is answered, and else says what came below. */
export function Messages({ messages, openThread, inThread }) {
  const { me } = useHere();
  const list = useRef(null);
  const atEnd = useRef(true);
  const top = useRef(0);
  const newest = messages.at(-1);
  const seen = useRef(newest?.ts);
  const [below, setBelow] = useState(false);
  useEffect(() => {
    if (newest?.ts === seen.current) return;
    seen.current = newest?.ts;
    if (newest?.user === me || newest?.ephemeral) atEnd.current = true; // his own words, and what answers him alone
    else if (!atEnd.current) setBelow(true);
  }, [newest?.ts]);
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
  // Only who moves up leaves the end: when the list grows meanwhile, the same event comes without anybody having moved.
  const scrolled = ({ currentTarget: it }) => {
    const isUp = it.scrollTop < top.current;
    top.current = it.scrollTop;
    if (it.scrollHeight - it.scrollTop - it.clientHeight < 60) {
      atEnd.current = true;
      setBelow(false);
    } else if (isUp) {
      atEnd.current = false;
    }
  };
  const toEnd = () => {
    list.current.scrollTop = list.current.scrollHeight;
  };
  return (
    <div className="scroller">
      <div className="messages" ref={list} onScroll={scrolled} role="log" aria-label="Messages" tabIndex={0}>
        {messages.length === 0 && <p className="empty">Nothing here yet.</p>}
        {messages.map((one, index) => (
          <Fragment key={one.ts}>
            {day(messages[index - 1]) !== day(one) && <h3 className="day">{day(one)}</h3>}
            {inThread && index === 1 && <p className="replies-line">{messages.filter((each) => !each.ephemeral).length - 1} in reply</p>}
            <Message
              message={one}
              compact={follows(messages[index - 1], one) && !(inThread && index === 1)}
              openThread={openThread}
            />
          </Fragment>
        ))}
      </div>
      {below && (
        <button className="below" onClick={toEnd}>
          ↓ New messages
        </button>
      )}
    </div>
  );
}

const day = (message) => message && new Date(Number(message.ts) * 1000).toLocaleDateString("en-GB", DAY);
const author = (message) => message.user ?? message.username;

function follows(before, message) {
  if (!before || before.ephemeral || message.ephemeral || before.reply_count || day(before) !== day(message)) return false;
  return author(before) === author(message) && Number(message.ts) - Number(before.ts) < TOGETHER_SECONDS;
}
