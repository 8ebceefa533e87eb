"""The tab where audio is given: its genres, how they change over time, its spectrogram, and known stems in it."""

from pathlib import Path

import gradio as gr

from messy_mashup.errors import UserError
from messy_mashup.web.found_stems import SEARCHED_S, Beginning, Matcher
from messy_mashup.web.hearing import Ears
from messy_mashup.web.pictures import genre_over_time, spectrogram
from messy_mashup.web.sentences import Changes, guarded, plain, without_folder, wrong
from messy_mashup.web.uploads import KEPT_S, Uploads

HEARING, SEARCHING = "hearing", "searching"  # what goes on at the same time: one of each
DENIED = (
    '<p class="wrong" role="alert" hidden>The browser gives no microphone. Allow this page the microphone in the '
    "browser's settings for it, or drop a file instead.</p>"
)
# Shows that sentence whenever the browser refuses a recording, of which Gradio says little
DENIED_JS = """() => {
  const media = navigator.mediaDevices;
  if (!media) return;
  const ask = media.getUserMedia.bind(media);
  const told = refused => { document.querySelector("#denied [role=alert]").hidden = !refused; };
  media.getUserMedia = wanted => ask(wanted).then(
    stream => { told(false); return stream; },
    error => { told(true); throw error; });
}"""
SEARCHED = f"the first {SEARCHED_S:g} s"


class ListenTab:
    """The components, and what happens when somebody uses them. Made within a gr.Tab."""

    def __init__(self, ears: Ears, uploads: Uploads, matcher: Matcher | None) -> None:
        self.ears, self.uploads, self.matcher = ears, uploads, matcher
        self.audio = gr.Audio(
            sources=["upload", "microphone"], type="filepath", label="A song or a mashup", elem_id="audio"
        )
        gr.HTML(DENIED, elem_id="denied")
        self.audio.async_move_resource_to_block_cache = uploads.in_its_place
        self.search = gr.Checkbox(
            False,
            label=f"Look for stems of the data set too (looked for in {SEARCHED}; the genre comes first)",
            visible=matcher is not None,
        )
        if not matcher:
            gr.Markdown("There is no bank of stems beside the model, so known stems cannot be looked for.")
        self.ask = gr.Button("What genre is it?", variant="primary", elem_id="ask")
        self.told = gr.Markdown(elem_id="told")
        self.likely = gr.Label(num_top_classes=5, show_label=False, show_heading=False, elem_id="likely", visible=False)
        self.searched = gr.Markdown(elem_id="searched")
        self.stems = gr.Dataframe(label="Known stems in it", visible=False, interactive=False, elem_id="stems")
        self.over_time = gr.HTML(elem_id="over_time")
        self.picture = gr.HTML(elem_id="spectrogram")
        self.beginning = gr.State(None, time_to_live=KEPT_S)
        self._connect()

    def _connect(self) -> None:
        self.audio.change(self.shown, self.audio, None, queue=False, api_visibility="private")
        results = [self.told, self.likely, self.picture, self.over_time, self.searched, self.stems]
        self.ask.click(
            self.heard,
            [self.audio, self.search],
            [*results, self.audio, self.beginning],
            api_name="listen",
            show_progress_on=self.told,
            concurrency_id=HEARING,
        )
        if self.matcher:
            begun = self.beginning.change(self.searching, None, self.searched, queue=False, api_visibility="private")
            found = begun.then(
                self.found,
                self.beginning,
                [self.searched, self.stems],
                api_name="stems",
                show_progress_on=self.searched,
                concurrency_id=SEARCHING,
                concurrency_limit=1,
            )
            found.failure(self.not_begun, None, self.searched, queue=False, api_visibility="private")

    def shown(self, upload: str | None, request: gr.Request) -> None:
        """A visitor has given a file, or taken it back."""
        self.uploads.shown(upload, request.session_hash or "")

    def refused(self, sentence: str) -> Changes:
        """In place of results; the input is emptied."""
        return self._nothing() | {self.told: sentence}

    @guarded(refused)
    def heard(self, upload: str | None, search: bool) -> Changes:
        """The genre, and what is to be searched for stems then; the upload is removed."""
        if upload is None:
            raise UserError("drop a file or record something first")
        path = Path(upload)
        try:
            wave = self.uploads.limits.wave(path, self.ears.rate_hz)
            impression = self.ears.wave(wave, path.name)
        except FileNotFoundError:
            raise UserError("the file is not here any more: give it again") from None
        except UserError as error:
            raise without_folder(error, path) from error
        finally:
            self.uploads.remove(path.parent)
        likely = impression.by_class()
        best = max(likely, key=likely.__getitem__)
        return self._nothing() | {
            self.told: f"**{best}** ({likely[best]:.0%}) — {plain(path.name)}, {impression.length_s:.1f} s",
            self.likely: gr.Label(likely, visible=True),
            self.picture: spectrogram(impression),
            self.over_time: genre_over_time(impression),
            self.beginning: self.matcher.beginning(wave) if search and self.matcher else gr.skip(),
        }

    def searching(self) -> str:
        """What is shown until the search has an answer."""
        return f"Known stems are looked for in {SEARCHED}. It takes about a minute, and you may leave."

    def search_refused(self, sentence: str) -> Changes:
        """In place of stems."""
        return {self.searched: sentence, self.stems: gr.Dataframe(visible=False)}

    def not_begun(self) -> str:
        """What is shown where too many wait for a search."""
        return wrong("known stems were not looked for, as many others wait: try again in some minutes")

    @guarded(search_refused)
    def found(self, beginning: Beginning | None) -> Changes:
        """The stems in the beginning of the clip, which is not kept."""
        wave = beginning.taken() if beginning else None
        if wave is None:
            return self.search_refused("")
        stems = self.matcher.found(wave)
        told = f"{len(stems) or 'No'} known stem{'s' * (len(stems) != 1)} found in {SEARCHED}."
        return {self.searched: told, self.stems: gr.Dataframe(stems, visible=len(stems) > 0)}

    def _nothing(self) -> Changes:
        """Every result away, and the input empty."""
        hidden = {self.likely: gr.Label(visible=False), self.stems: gr.Dataframe(visible=False)}
        return hidden | dict.fromkeys((self.told, self.picture, self.over_time, self.searched), "") | {self.audio: None}
