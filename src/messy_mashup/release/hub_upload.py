"""A release goes to the Hugging Face hub, by the hub's own client and login; the token is never read here."""

from pathlib import Path

from messy_mashup.credentials import scrubbed
from messy_mashup.errors import UserError

RELEASE_FILE = "release.json"  # marks a folder, here or on the hub, as a release of this project
HUBS_OWN = {".gitattributes"}  # what the hub puts into an empty repository


def check_repository_name(repository: str) -> None:
    """UserError where it is not of the form OWNER/NAME, with letters that the hub takes."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise UserError(f"--push {repository}: {error}") from error
    if repository.count("/") != 1:
        raise UserError(f"--push {repository}: name it OWNER/NAME, your name on the hub and the model's")


def upload(folder: Path, repository: str, public: bool) -> str:
    """Send the release in `folder` as one commit; the address of its page.

    A repository that is not there yet is made, private unless `public`; one that is there keeps its visibility, and is
    refused where it holds something else than a release. UserError says what is in the way.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled
    from huggingface_hub.utils import get_token

    check_repository_name(repository)
    if get_token() is None:
        raise UserError("you are not logged in to the hub: run `hf auth login` once, with a token that may write")
    api = HfApi()
    try:
        api.create_repo(repository, private=not public, exist_ok=True)
        there = set(api.list_repo_files(repository)) - HUBS_OWN
        if there and RELEASE_FILE not in there:
            raise UserError(
                f"{repository} on the hub holds something else than a release ({', '.join(sorted(there)[:3])}): name "
                "another repository, which is made"
            )
        # In one commit: what an earlier release had and this one has not goes with it
        api.upload_folder(
            repo_id=repository, folder_path=folder, commit_message=f"Release {folder.name}", delete_patterns=["*"]
        )
    except LocalTokenNotFoundError as error:
        raise UserError("you are not logged in to the hub: run `hf auth login` once") from error
    except HfHubHTTPError as error:
        raise UserError(
            f"the hub refused {repository}: {_first_line(error)}; the release itself is in {folder}"
        ) from error
    except (HfHubHTTPError.__bases__[0], OfflineModeIsEnabled) as error:
        raise UserError(
            f"the hub cannot be reached ({_first_line(error)}): try again with internet; the release itself is in "
            f"{folder}"
        ) from error
    return f"{api.endpoint}/{repository}"


def _first_line(error: Exception) -> str:
    """What the hub says, without the lines on headers and tracing."""
    told = getattr(error, "server_message", None) or str(error)
    return scrubbed(told.strip().partition("\n")[0].rstrip(".")) or type(error).__name__
