"""BTS's folders of NYU Depth V2 become parquet that loads with the same bits."""

import numpy as np
import pytest
from PIL import Image

from sapa_hf.data import Samples, get_spec, load_split
from sapa_hf.scripts.prepare_nyu import main


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    lines, depths = [], []
    for number in range(5):
        folder = tmp_path / "sync" / "kitchen_0028b"
        folder.mkdir(parents=True, exist_ok=True)
        photo = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        depth = rng.integers(700, 9000, (12, 16)).astype(np.uint16)
        depth[0] = 0
        Image.fromarray(photo).save(folder / f"rgb_{number:05d}.jpg")
        Image.fromarray(depth).save(folder / f"sync_depth_{number:05d}.png")
        lines.append(
            f"/kitchen_0028b/rgb_{number:05d}.jpg /kitchen_0028b/sync_depth_{number:05d}.png 518.8579"
        )
        depths.append(depth)
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    return tmp_path, depths


def arguments(folder, output="nyu"):
    return [
        "--root", str(folder / "sync"), "--list", str(folder / "list.txt"), "--split", "train",
        "--output_dir", str(folder / output), "--rows_per_file", "2",
    ]  # fmt: skip


def test_folders_become_parquet_with_the_same_depth(folders):
    folder, depths = folders
    main(arguments(folder))
    names = sorted(file.name for file in (folder / "nyu" / "data").iterdir())
    assert names == [f"train-0000{n}-of-00003.parquet" for n in range(3)]
    spec = get_spec("nyu_depth_v2", path=str(folder / "nyu"))
    samples = Samples(load_split(spec, "train"), spec, target="depth")
    assert [samples[n]["id"] for n in range(5)] == [f"kitchen_0028b/rgb_{n:05d}" for n in range(5)]
    for sample, depth in zip((samples[n] for n in range(5)), depths, strict=True):
        np.testing.assert_allclose(sample["labels"], depth / 1000, rtol=1e-6)


def test_an_interrupted_conversion_goes_on(folders):
    folder, _ = folders
    main(arguments(folder))
    files = sorted((folder / "nyu" / "data").iterdir())
    kept = files[0].stat().st_mtime_ns
    files[1].unlink()
    main(arguments(folder))
    assert files[1].is_file() and files[0].stat().st_mtime_ns == kept


def test_missing_and_unusable_files_are_named(folders):
    folder, _ = folders
    broken = folder / "sync" / "kitchen_0028b" / "sync_depth_00003.png"
    Image.new("L", (16, 12), 4).save(broken)
    with pytest.raises(SystemExit, match="sync_depth_00003.png has mode L"):
        main(arguments(folder))
    broken.unlink()
    with pytest.raises(SystemExit, match="1 of the files"):
        main(arguments(folder, "other"))
    (folder / "list.txt").write_text("one.jpg\n")
    with pytest.raises(SystemExit, match="line 1"):
        main(arguments(folder))
