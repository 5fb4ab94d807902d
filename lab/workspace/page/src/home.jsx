import { Blocks } from "./blocks.jsx";
import { useHere } from "./live.js";

export function Home({ openMenu }) {
  const { picture } = useHere();
  const view = picture.home;
  return (
    <section className="pane" aria-label="KAI: home">
      <header>
        <button className="quiet narrow-only" aria-label="Open menu" onClick={openMenu}>
          ☰
        </button>
        <h2>KAI</h2>
        <span className="badge">Home</span>
      </header>
      <div className="messages home">
        {view ? (
          <Blocks blocks={view.blocks} where={{ type: "home", id: view.id }} />
        ) : (
          <p className="empty">The app has not published a home tab for you.</p>
        )}
      </div>
    </section>
  );
}
