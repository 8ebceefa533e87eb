"""The page as Gradio lays it out and serves it, with a folder of its own for what is uploaded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gradio as gr
from starlette.middleware import Middleware

from messy_mashup.web.found_stems import Matcher
from messy_mashup.web.hearing import Ears
from messy_mashup.web.limits import Limits
from messy_mashup.web.listen_tab import DENIED_JS, ListenTab
from messy_mashup.web.mashup_by_hand import Desk
from messy_mashup.web.mashup_tab import MashupTab
from messy_mashup.web.uploads import KEPT_S, UploadLayer, Uploads, own_folder

TITLE = "Messy Mashup: what genre is it?"
STYLE = """
.gradio-container { max-width: 60rem !important; margin: auto; }
#told, #made_told { min-height: 1.5em; font-size: 1.1rem; }
.drawn { margin: 0; padding: 0.5rem; background: white; color: #1f2937; }
#denied:not(:has([role=alert]:not([hidden]))) { display: none; }
#searched .pending { opacity: 1 !important; }
@media (max-width: 640px) {
  .voice .form > * { flex: 1 1 45% !important; }
  .voice .form > .voice_on { flex: 1 1 100% !important; }
  .voice .icon-wrap { display: none; }
}
.wrong { color: #b00020; }
.dark .wrong { color: #ff8a80; }
"""
FONTS = ["system-ui", "sans-serif"]  # of the reader's own: nothing is fetched from elsewhere
MOST_QUEUED = 16  # events that wait; whoever comes then is told to try again


@dataclass(frozen=True)
class Page:
    """What the page is about: a blend's ears and, where there is a bank, its stems."""

    ears: Ears
    limits: Limits
    desk: Desk | None = None
    matcher: Matcher | None = None

    def blocks(self, uploads: Uploads) -> gr.Blocks:
        """The page, ready to be launched."""
        kept_s = round(KEPT_S)
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(kept_s, kept_s)) as blocks:
            gr.Markdown(f"# {TITLE}\n{self._about()}")
            with gr.Tab("Listen"):
                ListenTab(self.ears, uploads, self.matcher)
            with gr.Tab("Make a mashup"):
                if self.desk:
                    MashupTab(self.ears, self.desk)
                else:
                    gr.Markdown(
                        "There is no bank of stems beside the model: build one with build.py, and name its data with "
                        "--data."
                    )
            blocks.unload(_leaving(uploads))
        return blocks.queue(max_size=MOST_QUEUED, default_concurrency_limit=1)

    def _about(self) -> str:
        genres = ", ".join(self.ears.classes)
        return (
            f"It knows {len(self.ears.classes)} genres and answers with one of them, whatever it hears: {genres}. "
            f"{self.limits.told_mb} and {self.limits.minutes:g} minutes. Nothing that you give is kept."
        )


def _leaving(uploads: Uploads) -> Callable[[gr.Request], None]:
    """What happens when a visitor closes the page: the file that it shows goes."""

    def left(request: gr.Request) -> None:
        uploads.shown(None, request.session_hash or "")

    return left


@contextmanager
def served(page: Page, host: str, port: int) -> Iterator[tuple[gr.Blocks, str]]:
    """The page, served while the block lasts: Gradio's blocks and the address."""
    with own_folder() as folder:
        uploads = Uploads(folder, page.limits)
        blocks = page.blocks(uploads)
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            max_file_size=page.limits.most_bytes,
            share=False,
            quiet=True,
            ssr_mode=False,
            theme=gr.themes.Soft(font=FONTS, font_mono=["monospace"]),
            css=STYLE,
            js=DENIED_JS,
            footer_links=[],
            prevent_thread_lock=True,
            app_kwargs={"middleware": [Middleware(UploadLayer, uploads=uploads)]},
        )
        with uploads.swept():
            try:
                yield blocks, address
            finally:
                blocks.close(verbose=False)
