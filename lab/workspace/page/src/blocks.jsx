// Blocks: what only shows is drawn by the renderer, what acts is drawn here.
import { memo } from "react";
import { Message as Rendered } from "slack-blocks-to-jsx";
import { Element } from "./elements.jsx";
import { FieldsOf, useFields } from "./fields.jsx";
import { useHere } from "./live.js";

export function Blocks({ blocks, where }) {
  const fields = useFields();
  return (
    <FieldsOf.Provider value={fields}>
      <div className="blocks">
        {blocks.map((block, index) => (
          <Block key={block.block_id ?? index} block={block} where={where} />
        ))}
      </div>
    </FieldsOf.Provider>
  );
}

/** Slack's own markup; `kind` may be that of a text object without any. */
export function Text({ text, kind = "mrkdwn" }) {
  return <Still block={{ type: "section", text: { type: kind, text } }} />;
}

function Block({ block, where }) {
  const Drawn = ACTING[block.type];
  return Drawn ? <Drawn block={block} where={where} /> : <Still block={block} />;
}

const WITH_ACCESSORY = new Set(["image"]);
const ACTING = { section: Section, actions: Actions, context_actions: Actions, input: Input, container: Container };
ACTING.card = Card;
ACTING.carousel = ({ block, where }) => (
  <div className="carousel">
    {block.elements.map((card, index) => (
      <Card key={index} block={card} where={where} />
    ))}
  </div>
);

function Section({ block, where }) {
  const { accessory, ...rest } = block;
  if (!accessory || WITH_ACCESSORY.has(accessory.type)) return <Still block={block} />;
  return (
    <div className="section">
      <Still block={rest} />
      <Element element={accessory} block={block} where={where} />
    </div>
  );
}

function Actions({ block, where }) {
  return (
    <div className="actions">
      {block.elements.map((element) => (
        <Element key={element.action_id} element={element} block={block} where={where} />
      ))}
    </div>
  );
}

function Input({ block, where }) {
  const { errors } = useFields();
  const error = errors[block.block_id];
  return (
    <div className={error ? "input wrong" : "input"}>
      <p className="label" id={`label-${block.block_id}`}>
        {block.label.text}
        {block.optional && <span> (optional)</span>}
      </p>
      <Element element={block.element} block={block} where={where} labelledby={`label-${block.block_id}`} />
      {block.hint && <p className="hint">{block.hint.text}</p>}
      {error && (
        <p className="error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

function Container({ block, where }) {
  const title = block.rich_text_title ? <Still block={block.rich_text_title} /> : block.title.text;
  const inside = <Blocks blocks={block.child_blocks} where={where} />;
  const head = (
    <>
      <b>{title}</b>
      {block.subtitle && <Text text={block.subtitle.text} />}
    </>
  );
  if (!block.is_collapsible) {
    return (
      <div className="container">
        <div className="head">{head}</div>
        {inside}
      </div>
    );
  }
  return (
    <details className="container" open={!block.default_collapsed}>
      <summary>{head}</summary>
      {inside}
    </details>
  );
}

function Card({ block, where }) {
  const { actions = [], ...rest } = block;
  return (
    <div className="card">
      <Still block={rest} />
      <div className="actions">
        {actions.map((element) => (
          <Element key={element.action_id} element={element} block={block} where={where} />
        ))}
      </div>
    </div>
  );
}

/** The renderer takes `verbatim` for "no markup at all"; Slack means "no links that nobody wrote". */
function withoutVerbatim(value) {
  if (Array.isArray(value)) return value.map(withoutVerbatim);
  if (!value || typeof value !== "object") return value;
  const { verbatim: _, ...rest } = value;
  return Object.fromEntries(Object.entries(rest).map(([name, part]) => [name, withoutVerbatim(part)]));
}

const LINKS = /^(https?|mailto):/;
const hooks = {
  // a link from a message leads to the web or nowhere
  link: ({ href, children, className }) =>
    LINKS.test(href) ? (
      <a href={href} className={className} target="_blank" rel="noreferrer">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  // what is no emoji stays as it is written: the :09: of 21:09:53
  emoji: (one, draw) => {
    const drawn = draw(one);
    return drawn === one.name ? `:${one.name}:` : drawn;
  },
};

/** A block that only shows something. */
function Still({ block }) {
  const { picture, theme } = useHere();
  const names = {
    users: Object.values(picture.users),
    channels: picture.channels.filter((one) => one.name).map(({ id, name }) => ({ id, name })),
    user_groups: Object.values(picture.groups),
  };
  return <Parsed block={block} theme={theme} data={names} />;
}

/** Drawn again only when something in it changes: the renderer parses each text anew. */
const Parsed = memo(
  function Parsed({ block, theme, data }) {
    const { block_id: _, ...rest } = block;
    const shown = withoutVerbatim(rest.type === "data_table" ? { ...rest, type: "table" } : rest);
    return <Rendered blocks={[shown]} theme={theme} data={data} hooks={hooks} withoutWrapper name="" logo="" />;
  },
  (before, after) => JSON.stringify(before) === JSON.stringify(after),
);
