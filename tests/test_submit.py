"""The real client submits a CSV once, whatever breaks; the ledger's row is always true."""

import os
import shutil
import signal
import subprocess
import threading
import time
import zipfile
from io import BytesIO
from types import SimpleNamespace

import pytest

from example_trees import write_messy_mashup, write_text
from kaggle_competition import NAME, OTHER, REASON, Competition, house_fixture, said_fixture  # noqa: F401
from kaggle_loopback import Cut, leaks
from messy_mashup import paths
from messy_mashup.competition import submit
from test_commands import run


def sent(house):
    return len(house.loopback.called("CreateSubmission")) + len(house.loopback.called("CreateCodeSubmission"))


def test_a_submission_gets_its_number_its_score_and_its_mark(house, said):
    house.competition.pending_for = 3
    assert house.submit("--wait") == 0
    told = said()
    assert "submitted today: 0, left: 5" in told
    assert f"submission 101, {NAME}: complete, public 0.81234" in told
    assert house.cells("ref", "status", "submitted", "public", "private", "note") == [
        ["101", "complete", "2027-01-01T09:00:00Z", "0.81234", "", "mine"]
    ]
    assert house.competition.submissions[0]["description"] == f"the message [sha256:{house.sha256}]"
    assert house.loopback.blobs["upload0"] == house.csv.read_bytes()


def test_without_waiting_the_row_says_pending(house, said):
    house.competition.pending_for = 100
    assert house.submit() == 0
    assert f"submitted: submission 101, {NAME}: pending" in said()
    assert house.cells("ref", "status", "public") == [["101", "pending", ""]]


def test_a_csv_that_kaggle_would_refuse_is_not_sent(house, said):
    write_text(house.csv, ["id,genre", *(f"{number:04d},pop" for number in range(3, 20))])
    assert house.submit() == 2
    told = said()
    assert "Kaggle would refuse" in told
    assert told.count("\n  ") == 11  # ten problems, and how many more
    assert house.loopback.requests == []
    assert house.cells("ref", "status") == [["", ""]]


def test_the_same_file_again_is_refused_unless_told(house, said):
    assert house.submit() == 0
    assert house.submit() == 2
    assert "was submitted before (ref 101, 2027-01-01T09:00:00Z, complete, public 0.81234): give --again" in said()
    assert sent(house) == 1
    house.competition.scores = {"publicScore": "0.81234", "privateScore": "0.7"}
    assert house.submit("--again") == 0
    assert house.cells("file", "sha256", "oof_macro_f1", "ref", "private", "note") == [
        [NAME, house.sha256, "0.90000", "101", "0.70000", "mine"],
        [NAME, house.sha256, "0.90000", "102", "0.70000", "mine"],
    ]


def test_a_copy_under_another_name_is_the_same_file(house, said):
    assert house.submit() == 0
    copy = house.folder / "copy.csv"
    shutil.copy(house.csv, copy)
    assert house.submit(csv=copy) == 2
    assert "copy.csv was submitted before (ref 101" in said()
    assert sent(house) == 1


@pytest.mark.parametrize("described", [True, False])
def test_what_only_kaggle_s_list_knows_is_filled_in_and_refused(house, said, described):
    text = f"by hand [sha256:{house.sha256}]" if described else "by hand"
    house.competition.add("renamed.csv" if described else NAME, text)
    assert house.submit() == 2
    assert "was submitted before (ref 101" in said()
    assert house.cells("file", "ref", "public") == [[NAME, "101", "0.81234"]]
    assert sent(house) == 0


def test_another_file_of_a_common_name_does_not_stand_in_the_way(house):
    for text in ("first", "second"):
        house.competition.add("submission.csv", text)
    csv = house.write("submission.csv", "blues")
    assert house.submit(csv=csv) == 0
    assert house.cells("file", "ref", "note") == [
        [NAME, "", "mine"],
        ["submission.csv", "101", "first"],
        ["submission.csv", "102", "second"],
        ["submission.csv", "103", "the message"],
    ]


def test_a_name_that_the_ledger_has_with_other_content_is_refused(house, said):
    house.write(NAME, "blues")
    assert house.submit() == 2
    assert f"lists {NAME} with other content" in said()
    assert sent(house) == 0


def test_a_csv_made_elsewhere_gets_a_row(house):
    assert house.submit(csv=house.write(OTHER, "blues")) == 0
    assert house.cells("file", "ref", "oof_macro_f1", "note")[1] == [OTHER, "101", "", "the message"]


def test_missing_credentials(house, said, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    assert house.submit() == 2
    assert "error: no Kaggle credentials" in said()


def test_refused_credentials(house, said, monkeypatch):
    monkeypatch.setenv("KAGGLE_KEY", "wrong")
    assert house.submit() == 2
    assert "the credentials are refused" in said()
    assert house.cells("ref", "status") == [["", ""]]


def test_a_wrong_slug(house, said):
    assert house.submit("--competition", "no-such") == 2
    assert 'Kaggle answered 404 ("Competition not found")' in said()
    assert house.cells("ref", "status") == [["", ""]]


@pytest.mark.parametrize("method", ["ListSubmissions", "StartSubmissionUpload", "CreateSubmission"])
def test_rules_that_are_not_accepted(house, said, method):
    before = house.ledger.read_bytes()
    house.competition.refuse[method] = (403, {"code": 403, "message": "You must accept the rules"})
    assert house.submit() == 2
    assert '403 ("You must accept the rules")' in said()
    assert house.ledger.read_bytes() == before
    assert house.competition.submissions == []


def test_the_limit_is_reached(house, said):
    before = house.ledger.read_bytes()
    house.competition.limit, house.competition.total = 3, 3
    assert house.submit() == 2
    told = said()
    assert "submitted today: 3, left: 0" in told
    assert "the limit is reached until midnight UTC" in told
    assert house.ledger.read_bytes() == before
    assert "StartSubmissionUpload" not in dict(house.loopback.requests)


def test_a_limit_of_nothing_means_that_the_rules_are_to_be_accepted(house, said):
    house.competition.limit = 0
    assert house.submit() == 2
    assert "join the competition and accept its rules" in said()


def test_an_unknown_limit_is_said_and_does_not_stop(house, said):
    house.competition.refuse["GetSubmissionLimits"] = (500, {"message": "down"})
    assert house.submit() == 0
    assert "the day's limit is not known: asking for the day's limit failed: Kaggle answered 500" in said()


def test_kaggle_s_own_refusal_at_the_limit(house, said):
    before = house.ledger.read_bytes()
    house.competition.refuse["CreateSubmission"] = (400, {"code": 400, "message": "Submission limit reached"})
    assert house.submit() == 2
    assert '("Submission limit reached")' in said()
    assert house.ledger.read_bytes() == before


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("breaks", ["status 500", "cut once, then 500", "cut always"])
def test_an_upload_that_fails_leaves_the_ledger_as_it_was(house, said, breaks, new):
    csv = house.write(OTHER, "blues") if new else house.csv
    before, times = house.ledger.read_bytes(), []

    def put(token, body):
        times.append(len(body))
        if breaks == "cut always" or (breaks != "status 500" and len(times) == 1):
            raise Cut
        return 500

    house.loopback.put = put
    assert house.submit(csv=csv) == 2
    told = said()
    assert f"the upload of {csv.name} broke off" in told
    assert "Nothing was submitted, the ledger is as it was" in told
    assert house.ledger.read_bytes() == before
    assert (len(times), sent(house)) == ({"status 500": 1, "cut once, then 500": 2, "cut always": 11}[breaks], 0)
    house.loopback.put = lambda token, body: 200
    assert house.submit(csv=csv) == 0
    assert house.cells("file", "ref")[-1] == [csv.name, "101"]


def test_network_gone_before(house, said):
    before = house.ledger.read_bytes()
    house.loopback.stop()
    assert house.submit() == 2
    told = said()
    assert "Kaggle could not be reached" in told
    assert "127.0.0.1" not in told
    assert house.ledger.read_bytes() == before


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("breaks", ["503", "cut", "gone for good"])
def test_what_breaks_before_the_upload_leaves_the_ledger_as_it_was(house, said, breaks, new):
    csv, before = house.write(OTHER, "blues") if new else house.csv, house.ledger.read_bytes()
    if breaks == "503":
        house.competition.refuse["StartSubmissionUpload"] = (503, {"message": "down"})
    else:
        house.competition.cut_before = {"StartSubmissionUpload"}
    if breaks == "gone for good":
        limits = house.loopback.routes["GetSubmissionLimits"]

        def last_answer(body, loopback):
            house.competition.cut_before |= {"ListSubmissions"}
            loopback.routes["GetSubmissionLimits"] = limits
            return limits(body, loopback)

        house.loopback.routes["GetSubmissionLimits"] = last_answer
    assert house.submit(csv=csv) == 2
    told = said()
    assert f"submitting {csv.name} failed: Kaggle" in told
    assert "Nothing was submitted, the ledger is as it was" in told
    assert house.ledger.read_bytes() == before
    house.competition.refuse, house.competition.cut_before = {}, set()
    assert house.submit(csv=csv) == 0
    assert house.cells("file", "ref")[-1] == [csv.name, "101"]


def test_network_gone_as_the_submission_is_made_and_it_had_not_arrived(house, said):
    house.competition.cut_before = {"CreateSubmission"}
    assert house.submit() == 2
    assert "says unconfirmed. Run the same command again" in said()
    assert [status for (status,) in house.cells("status")] == ["unconfirmed"]
    house.competition.cut_before = set()
    assert house.submit() == 0
    assert house.cells("ref", "status") == [["101", "complete"]]
    assert len(house.competition.submissions) == 1


@pytest.mark.parametrize("again", [[], ["--again"]])
def test_network_gone_as_the_submission_is_made_and_it_had_arrived(house, said, again):
    if again:
        assert house.submit() == 0
    house.competition.cut_after = {"CreateSubmission"}
    create = house.loopback.routes["CreateSubmission"]

    def then_gone(body, loopback):
        house.competition.cut_before = {"ListSubmissions"}
        return create(body, loopback)

    house.loopback.routes["CreateSubmission"] = then_gone
    assert house.submit(*again) == 2
    told = said()
    assert "Whether" in told
    assert "unconfirmed" in told
    assert house.cells("ref", "status")[-1] == ["", "unconfirmed"]
    house.competition.cut_before = set()
    count = len(house.competition.submissions)
    assert house.submit(*again) == 0
    assert "the last try had arrived" in said()
    assert len(house.competition.submissions) == count
    assert [ref for (ref,) in house.cells("ref")] == (["101", "102"] if again else ["101"])


def test_the_next_try_gives_a_list_that_is_behind_its_time(house, said):
    house.competition.cut_after = {"CreateSubmission"}
    create = house.loopback.routes["CreateSubmission"]

    def and_hide(body, loopback):
        house.competition.hidden = len(submit.LOOKS_S) + 2  # all looks of this try and two of the next
        return create(body, loopback)

    house.loopback.routes["CreateSubmission"] = and_hide
    assert house.submit() == 2
    assert house.cells("ref", "status") == [["", "unconfirmed"]]
    assert house.submit() == 0
    assert "the last try had arrived" in said()
    assert (sent(house), house.cells("ref", "status")) == (1, [["101", "complete"]])


def test_a_dropped_answer_is_found_in_the_list_at_once(house, said):
    house.competition.cut_after = {"CreateSubmission"}
    assert house.submit() == 0
    assert "submitted: submission 101" in said()
    assert house.cells("ref", "status") == [["101", "complete"]]


def test_a_list_that_is_behind_is_looked_at_again(house):
    house.competition.add("elsewhere.csv")
    create = house.competition.CreateSubmission

    def and_hide(body, loopback):
        house.competition.hidden = 2
        return create(body, loopback)

    house.loopback.routes["CreateSubmission"] = and_hide
    assert house.submit() == 0
    assert house.cells("ref", "status")[0] == ["102", "complete"]


def test_a_number_that_the_list_does_not_show_is_never_sent_again(house, said):
    create = house.competition.CreateSubmission

    def and_hide(body, loopback):
        house.competition.hidden = 1000
        return create(body, loopback)

    house.loopback.routes["CreateSubmission"] = and_hide
    assert house.submit() == 2
    assert "its list does not show it yet" in said()
    assert house.cells("ref", "status") == [["101", "unconfirmed"]]
    assert house.submit() == 2
    assert "was submitted before (ref 101" in said()
    house.competition.hidden = 0
    assert house.submit() == 0
    assert house.cells("ref", "status") == [["101", "complete"]]
    assert sent(house) == 1


def test_a_description_that_kaggle_cut_off_is_found_by_its_number(house):
    create = house.competition.CreateSubmission

    def and_cut(body, loopback):
        return create({**body, "submissionDescription": "the mess"}, loopback)

    house.loopback.routes["CreateSubmission"] = and_cut
    assert house.submit(csv=house.write("plain.csv", "blues")) == 0
    assert house.cells("file", "ref") == [[NAME, ""], ["plain.csv", "101"]]


def test_a_scoring_error_is_said_and_written(house, said):
    house.competition.status, house.competition.pending_for = "ERROR", 2
    assert house.submit("--wait") == 2
    assert f"could not score submission 101, {NAME}: error: {REASON}" in said()
    assert house.cells("ref", "status", "public") == [["101", "error", ""]]


def test_waiting_outlives_a_lost_answer(house, said):
    house.competition.pending_for = 4
    show, looks = house.loopback.routes["ListSubmissions"], []

    def sometimes(body, loopback):
        looks.append(body)
        if len(looks) in (5, 6):
            raise Cut
        return show(body, loopback)

    house.loopback.routes["ListSubmissions"] = sometimes
    assert house.submit("--wait") == 0
    told = said()
    assert told.count("(looking again)") == 2
    assert "public 0.81234" in told


def test_waiting_ends_when_the_network_stays_away(house, said):
    house.competition.pending_for = 1000
    show, looks = house.loopback.routes["ListSubmissions"], []

    def then_gone(body, loopback):
        looks.append(body)
        if len(looks) > 4:
            raise Cut
        return show(body, loopback)

    house.loopback.routes["ListSubmissions"] = then_gone
    assert house.submit("--wait") == 2
    assert "submission 101 stands, but" in said()
    assert house.cells("ref", "status") == [["101", "pending"]]


def test_waiting_goes_on_for_what_was_submitted_before(house, said):
    house.competition.pending_for = 5
    assert house.submit() == 0
    assert house.submit("--wait") == 0
    assert "complete, public 0.81234" in said()
    assert sent(house) == 1


def test_a_kernel_s_version_is_submitted_once(house, said):
    kernel = ["-k", "stub/blend", "-v", "3", "-m", "from a kernel", *house.place]
    assert run("submit", *kernel) == 0
    assert house.loopback.called("CreateCodeSubmission") == [
        {
            "competitionName": house.competition.slug,
            "kernelOwner": "stub",
            "kernelSlug": "blend",
            "kernelVersion": 3,
            "fileName": "submission.csv",
            "submissionDescription": "from a kernel [kernel:stub/blend/3]",
        }
    ]
    row = ["stub/blend/3/submission.csv", "101", "complete", "from a kernel [kernel:stub/blend/3]"]
    assert house.cells("file", "ref", "status", "note")[1] == row
    assert run("submit", *kernel) == 2
    assert "was submitted before (ref 101" in said()
    assert run("submit", "-k", "stub/blend", "-v", "4", "-m", "x", *house.place) == 0
    assert [ref for (ref,) in house.cells("ref")] == ["", "101", "102"]


def test_a_kernel_s_output_of_which_a_copy_is_here(house):
    assert house.submit("-k", "stub/blend", "-v", "3") == 0
    (body,) = house.loopback.called("CreateCodeSubmission")
    assert body["fileName"] == "submission.csv"  # the kernel's name of it, whatever its copy is called here
    assert body["submissionDescription"] == f"the message [kernel:stub/blend/3] [sha256:{house.sha256}]"
    assert house.cells("file", "ref", "status", "note") == [[NAME, "101", "complete", "mine [kernel:stub/blend/3]"]]


@pytest.mark.parametrize("first_with_copy", [True, False])
def test_a_kernel_s_output_is_one_with_a_copy_and_without(house, said, first_with_copy):
    def send(with_copy):
        kernel = ["-k", "stub/blend", "-v", "3"]
        return house.submit(*kernel) if with_copy else run("submit", "-m", "x", *kernel, *house.place)

    assert send(first_with_copy) == 0
    assert send(not first_with_copy) == 2
    assert "was submitted before (ref 101" in said()
    assert sent(house) == 1


def test_a_kernel_s_file_of_another_name(house):
    assert run("submit", "-m", "x", "-k", "stub/blend", "-v", "3", "--output", "best.csv", *house.place) == 0
    (body,) = house.loopback.called("CreateCodeSubmission")
    assert body["fileName"] == "best.csv"
    assert house.cells("file", "ref", "status")[1:] == [["stub/blend/3/best.csv", "101", "complete"]]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-k", "stub/blend"], "give both -k"),
        (["-v", "3"], "give both -k"),
        (["-k", "blend", "-v", "3"], "names no kernel"),
        (["--output", "best.csv"], "--output is the name of a kernel's file"),
        ([], "nothing to submit"),
    ],
)
def test_half_an_order_is_refused(house, said, words, reason):
    assert run("submit", "-m", "x", *words, *house.place) == 2
    assert reason in said()


def test_an_empty_message_is_refused(house, said):
    assert run("submit", house.csv, "-m", " ", *house.place) == 2
    assert "the message is empty" in said()


def test_killed_between_send_and_answer(house, said):
    reached, release = threading.Event(), threading.Event()
    create = house.competition.CreateSubmission

    def slow(body, loopback):
        answer = create(body, loopback)
        reached.set()
        release.wait(30)
        return answer

    house.loopback.routes["CreateSubmission"] = slow
    command = house.command()
    killed = subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert reached.wait(20)
    os.kill(killed.pid, signal.SIGKILL)
    text, _ = killed.communicate(timeout=30)
    release.set()
    assert leaks(text) == []
    assert house.cells("ref", "status") == [["", "unconfirmed"]]
    assert house.submit() == 0
    assert "the last try had arrived" in said()
    assert house.cells("ref", "status") == [["101", "complete"]]
    assert sent(house) == 1


def test_two_at_once_submit_once(house):
    create = house.competition.CreateSubmission

    both: list[subprocess.Popen] = []

    def while_the_other_runs(body, loopback):
        """The first to come here waits for the other's end, which the lock is to bring about."""
        deadline_s = time.monotonic() + 30
        while all(process.poll() is None for process in both) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        return create(body, loopback)

    house.loopback.routes["CreateSubmission"] = while_the_other_runs
    for _ in range(2):
        both.append(subprocess.Popen(**house.command(), stdout=-1, stderr=subprocess.STDOUT, text=True))
    texts = [process.communicate(timeout=60)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    (refused,) = (text for process, text in zip(both, texts, strict=True) if process.returncode == 2)
    assert "is being made by process" in refused
    assert leaks(*texts) == []
    assert len(house.competition.submissions) == 1
    assert house.cells("ref", "status") == [["101", "complete"]]


REMOTE = "messy_mashup/sample_submission.csv"
SAMPLE = b"id,genre\n0001,blues\n0002,blues\n"
RULES = (403, {"code": 403, "message": "You must accept this competition's rules"})


@pytest.fixture(name="bare")
def bare_fixture(house, monkeypatch):
    """No data set here; Kaggle's list has the sample on its third page. The client waits for nothing between tries."""
    from kaggle.api import kaggle_api_extended as client

    monkeypatch.setattr(client, "time", SimpleNamespace(**{**vars(time), "sleep": lambda _: None}))
    monkeypatch.setattr(paths, "inputs", lambda: house.folder / "input")
    house.competition.files = {f"messy_mashup/mashups/song{number:04d}.wav": 9 for number in range(450)}
    house.competition.files[REMOTE] = len(SAMPLE)
    house.loopback.files[REMOTE] = SAMPLE
    house.bare = lambda *more, csv=None: run(
        "submit", csv or house.csv, "-m", "bare", "--submissions", house.submissions, *more
    )
    return house


def zipped(**files):
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.csv", text)
    return content.getvalue()


def test_without_a_data_set_kaggle_s_own_sample_is_taken(bare, said):
    assert bare.bare() == 0
    assert f"sample: Kaggle's {REMOTE} (no data set is in {bare.folder / 'input'})" in said()
    tokens = [body.get("pageToken") or "" for body in bare.loopback.called("ListDataFiles")]
    assert tokens == ["", "200", "400"]
    assert bare.loopback.called("DownloadDataFile") == [{"competitionName": bare.competition.slug, "fileName": REMOTE}]
    assert bare.cells("ref", "status") == [["101", "complete"]]
    assert not (bare.folder / "input").exists()


@pytest.mark.parametrize("lines", [["0001,rock"], ["0001,rock", "0002,polka"], ["1,rock", "0002,rock"]])
def test_a_csv_is_refused_by_kaggle_s_sample_and_the_fixed_genres(bare, said, lines):
    write_text(bare.csv, ["id,genre", *lines])
    assert bare.bare() == 2
    assert "Kaggle would refuse" in said()
    assert sent(bare) == 0


@pytest.mark.parametrize("named", ["sample_submission.csv", "sample_submission.csv.zip"])
@pytest.mark.parametrize("counted", ["the file", "its zip", "nothing"])
def test_a_sample_that_comes_as_a_zip_is_unpacked(bare, named, counted):
    archive = zipped(sample_submission=SAMPLE)
    bare.competition.sent_as[REMOTE] = named
    bare.competition.files[REMOTE] = {"the file": len(SAMPLE), "its zip": len(archive), "nothing": 0}[counted]
    bare.loopback.files[named] = archive
    assert bare.bare() == 0


def test_a_download_that_breaks_half_way_goes_on(bare):
    bare.loopback.file_cuts[REMOTE] = 2
    assert bare.bare() == 0
    assert len(bare.loopback.called("GET")) == 3


def not_listed(bare):
    del bare.competition.files[REMOTE]


def listed_twice(bare):
    bare.competition.files["other/sample_submission.csv"] = 9


def list_forbidden(bare):
    bare.competition.refuse["ListDataFiles"] = RULES


def download_forbidden(bare):
    bare.competition.refuse["DownloadDataFile"] = RULES


def list_cut(bare):
    bare.competition.cut_before = {"ListDataFiles"}


def download_down(bare):
    bare.loopback.file_status[REMOTE] = 503


def always_cut(bare):
    bare.loopback.file_cuts[REMOTE] = 100


def shorter_than_listed(bare):
    bare.competition.files[REMOTE] += 1


def broken_zip(bare):
    archive = bytearray(zipped(sample_submission=SAMPLE))
    archive[50:60] = bytes(10)
    bare.loopback.files[REMOTE] = bytes(archive)


def another_zip(bare):
    bare.loopback.files[REMOTE] = zipped(test=SAMPLE)


def other_columns(bare):
    bare.loopback.files[REMOTE] = SAMPLE.replace(b"genre", b"label")


def an_endless_list(bare):
    bare.loopback.routes["ListDataFiles"] = lambda body, _: {"files": [{"name": "a.wav"}], "nextPageToken": "7"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (not_listed, "Kaggle lists no sample_submission.csv among the files of"),
        (an_endless_list, "Kaggle lists no sample_submission.csv among the files of"),
        (listed_twice, f"several files of jan-2026-dl-gen-ai-project: {REMOTE}, other/sample_submission.csv"),
        (list_forbidden, '403 ("You must accept this competition\'s rules"): it is forbidden: join the competition'),
        (download_forbidden, f"downloading {REMOTE} of jan-2026-dl-gen-ai-project failed: Kaggle answered 403"),
        (list_cut, "looking for sample_submission.csv among the files of"),
        (download_down, 'Kaggle answered 503 ("an error page, not the file")'),
        (always_cut, f"downloading {REMOTE} of jan-2026-dl-gen-ai-project failed"),
        (shorter_than_listed, f"{REMOTE} came as {len(SAMPLE)} of {len(SAMPLE) + 1} bytes"),
        (broken_zip, "a broken zip"),
        (another_zip, "a zip in which 0 files are called sample_submission.csv"),
        (other_columns, f"Kaggle's {REMOTE} has columns ['id', 'label']"),
    ],
)
def test_a_sample_that_cannot_be_had_is_a_sentence_and_nothing_is_sent(bare, said, fault, reason):
    before = bare.ledger.read_bytes()
    fault(bare)
    assert bare.bare() == 2
    told = said()
    assert reason in told
    assert "The CSV was not checked and nothing was sent" in told
    assert "with --sample FILE" in told
    assert "127.0.0.1" not in told
    assert (sent(bare), bare.ledger.read_bytes()) == (0, before)


def test_a_sample_at_hand_needs_no_data_set_and_no_list(bare, said):
    sample = bare.folder / "kept.csv"
    sample.write_bytes(SAMPLE)
    assert bare.bare("--sample", sample) == 0
    assert f"sample: {sample}\n" in said()
    assert bare.loopback.called("ListDataFiles") == []


def test_a_sample_that_is_named_and_not_there(bare, said):
    assert bare.bare("--sample", bare.folder / "no.csv") == 2
    assert "is missing" in said()
    assert bare.loopback.requests == []


def test_a_folder_with_nothing_but_the_sample_will_do(bare, said):
    write_text(bare.folder / "only" / "sample_submission.csv", SAMPLE.decode().split())
    assert bare.bare("--data", bare.folder / "only") == 0
    assert f"sample: {bare.folder / 'only' / 'sample_submission.csv'}\n" in said()
    assert bare.loopback.called("ListDataFiles") == []


def test_the_data_set_that_is_here_is_taken_with_its_genres_and_without_its_songs(bare, said):
    root = bare.folder / "input" / "any"
    write_text(root / "sample_submission.csv", SAMPLE.decode().split())
    for genre in ("blues", "polka"):
        (root / "genres_stems" / genre).mkdir(parents=True)
    write_text(bare.csv, ["id,genre", "0001,polka", "0002,rock"])
    assert bare.bare() == 2
    told = said()
    assert f"sample: {root / 'sample_submission.csv'}\n" in told
    assert "genre 'rock' is none of blues, polka" in told
    assert "polka' is" not in told
    assert bare.loopback.requests == []


def several(bare):
    for name in "ab":
        write_messy_mashup(bare.folder / "input" / name, songs=1)


def only_the_demo(bare):
    write_messy_mashup(bare.folder / "input" / "demo", songs=1)
    write_text(bare.folder / "input" / "demo" / "competition.json", ["{}"])


def no_sample_in_it(bare):
    write_messy_mashup(bare.folder / "input" / "a", songs=1)
    (bare.folder / "input" / "a" / "sample_submission.csv").unlink()


@pytest.mark.parametrize(
    ("there", "reason"),
    [(several, "2 data sets are in"), (only_the_demo, "only the demo is in"), (no_sample_in_it, "has none")],
)
def test_where_it_is_not_clear_which_data_set_is_meant_kaggle_s_sample_is_taken(bare, said, there, reason):
    there(bare)
    assert bare.bare() == 0
    told = said()
    assert f"sample: Kaggle's {REMOTE} (" in told
    assert reason in told


def test_without_credentials_there_is_no_sample(bare, said, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    assert bare.bare() == 2
    told = said()
    assert "no Kaggle credentials" in told
    assert "with --sample FILE" in told


def test_a_csv_that_is_not_there_is_a_sentence(bare, said):
    assert bare.bare(csv=bare.folder / "no.csv") == 2
    assert f"cannot read {bare.folder / 'no.csv'}" in said()
    assert bare.loopback.requests == []
