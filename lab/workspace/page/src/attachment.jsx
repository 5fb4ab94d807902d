import { Blocks, Text } from "./blocks.jsx";

const safe = (address) => (/^https?:\/\//.test(address ?? "") ? address : undefined);

/** The older form of a message, as alerts still use it. */
export function Attachment({ attachment, where }) {
  const { pretext, title, title_link: link, text, fields, footer, color, blocks, fallback } = attachment;
  const bare = !title && !text && !fields?.length && !blocks?.length && !pretext;
  return (
    <>
      {pretext && <Text text={pretext} />}
      <div className="attachment" style={{ borderColor: /^[0-9a-f]{6}$/i.test(color) ? `#${color}` : undefined }}>
        {title && (
          <a className="title" href={safe(link)} target="_blank" rel="noreferrer">
            {title}
          </a>
        )}
        {text && <Text text={text} />}
        {bare && <Text text={fallback ?? ""} />}
        {fields?.length > 0 && (
          <dl>
            {fields.map((one, index) => (
              <div key={index} className={one.short ? "short" : ""}>
                <dt>{one.title}</dt>
                <dd>
                  <Text text={one.value} />
                </dd>
              </div>
            ))}
          </dl>
        )}
        {blocks?.length > 0 && <Blocks blocks={blocks} where={where} />}
        {footer && <p className="footer">{footer}</p>}
      </div>
    </>
  );
}
