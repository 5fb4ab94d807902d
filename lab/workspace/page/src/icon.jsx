// The page's own signs, drawn: a machine without an emoji font shows them, too.
const PATHS = {
  lock: "M4 7h8v6.5H4zM5.8 7V5a2.2 2.2 0 0 1 4.4 0v2",
  home: "M2 8l6-5.5L14 8M4 7v6.5h8V7",
  up: "M2 7h2.5v6.5H2zM4.5 7l3-5c1.3 0 1.8.9 1.6 2l-.6 2.7h4.4c.8 0 1.2.6 1 1.3l-1.3 4.6c-.1.5-.5.9-1 .9H4.5",
  down: "M14 9h-2.5V2.5h2.5zM11.5 9l-3 5c-1.3 0-1.8-.9-1.6-2l.6-2.7H3.1c-.8 0-1.2-.6-1-1.3l1.3-4.6c.1-.5.5-.9 1-.9h7.1",
  eye: "M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8zM8 6.1a1.9 1.9 0 1 1 0 3.8 1.9 1.9 0 0 1 0-3.8z",
  speech: "M2 3h12v8.5H7.5l-3 2.5v-2.5H2z",
  bin: "M3 4.5h10M6.2 4.5v-2h3.6v2M4.5 4.5l.6 9h5.8l.6-9",
  page: "M4 1.5h5l3 3v10H4zM9 1.5v3h3",
};

export function Icon({ name }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
