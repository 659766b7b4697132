"""The sample CRM runs wherever its folder is."""

from pathlib import Path

from bot.sandbox import crm
from bot.sandbox.home import Home


def test_it_runs_in_a_folder_whose_path_is_too_long_for_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    folder.mkdir(parents=True)
    before = set(Path("/tmp").iterdir())
    home = Home(folder)
    home.start()
    try:
        assert home.page()
        assert crm.contents(home.crm)["customers"]
    finally:
        home.stop()
    left = {one.name for one in set(Path("/tmp").iterdir()) - before}
    assert not [name for name in left if len(name) == len("countersign-") + 16]
