import { useId, useRef, useState } from "react";

const CALM_MS = 150;

/** A field that asks the app what could be meant, as one types. */
export function Combobox({ placeholder, least, shown, suggest, choose, labelledby }) {
  const [query, setQuery] = useState(null);
  const [options, setOptions] = useState([]);
  const [at, setAt] = useState(0);
  const asked = useRef(0);
  const id = useId();
  const ask = (text) => {
    setQuery(text);
    const number = ++asked.current;
    if (text.length < least) {
      setOptions([]);
      return;
    }
    setTimeout(async () => {
      if (number !== asked.current) return;
      const found = await suggest(text);
      if (number === asked.current) {
        setOptions(found);
        setAt(0);
      }
    }, CALM_MS);
  };
  const take = (option) => {
    asked.current++;
    setQuery(null);
    setOptions([]);
    choose(option);
  };
  const key = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      event.preventDefault();
      setAt((at + step + options.length) % options.length);
    } else if (event.key === "Enter" && options[at]) {
      event.preventDefault();
      take(options[at]);
    } else if (event.key === "Escape" && options.length) {
      event.preventDefault();
      event.stopPropagation();
      setOptions([]);
    }
  };
  return (
    <span className="combobox">
      <input
        className="element"
        role="combobox"
        aria-expanded={options.length > 0}
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={options.length ? `${id}-${at}` : undefined}
        aria-labelledby={labelledby}
        aria-label={placeholder}
        placeholder={placeholder}
        value={query ?? shown}
        onFocus={() => least === 0 && ask("")}
        onBlur={() => setTimeout(() => setOptions([]), CALM_MS)}
        onChange={(event) => ask(event.target.value)}
        onKeyDown={key}
      />
      <ul id={id} role="listbox" hidden={!options.length}>
        {options.map((one, index) => (
          <li key={one.value} id={`${id}-${index}`} role="option" aria-selected={index === at} onPointerDown={() => take(one)}>
            {one.text.text}
          </li>
        ))}
      </ul>
    </span>
  );
}
