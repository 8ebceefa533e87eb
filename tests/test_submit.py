"""The real client submits a CSV once, whatever breaks; the ledger's row is always true."""

import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

from example_trees import write_text
from kaggle_competition import NAME, OTHER, REASON, Competition, house_fixture, said_fixture  # noqa: F401
from kaggle_loopback import Cut, leaks
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
    assert body["fileName"] == NAME
    assert body["submissionDescription"] == f"the message [kernel:stub/blend/3] [sha256:{house.sha256}]"
    assert house.cells("file", "ref", "note") == [[NAME, "101", "mine [kernel:stub/blend/3]"]]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-k", "stub/blend"], "give both -k"),
        (["-v", "3"], "give both -k"),
        (["-k", "blend", "-v", "3"], "names no kernel"),
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

    def slow(body, loopback):
        time.sleep(1.5)
        return create(body, loopback)

    house.loopback.routes["CreateSubmission"] = slow
    both = [subprocess.Popen(**house.command(), stdout=-1, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    texts = [process.communicate(timeout=60)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    (refused,) = (text for process, text in zip(both, texts, strict=True) if process.returncode == 2)
    assert "is being made by process" in refused
    assert leaks(*texts) == []
    assert len(house.competition.submissions) == 1
    assert house.cells("ref", "status") == [["101", "complete"]]
