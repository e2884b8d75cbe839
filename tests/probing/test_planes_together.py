import numpy as np
import pytest

from tests.backends.asking import some_plane
from xray_gate.probing.batches import JoinedPlanes


def test_joined_planes_are_the_points_of_each() -> None:
    parts = [some_plane(3, clip=True), some_plane(2, clip=False)]
    joined = JoinedPlanes.join(parts)
    expected = np.concatenate([part.images(0, len(part)) for part in parts])
    assert len(joined) == 13
    np.testing.assert_array_equal(joined.images(0, 13), expected)
    np.testing.assert_array_equal(joined.images(7, 11), expected[7:11])
    order = np.array([12, 0, 8, 8, 9])
    np.testing.assert_array_equal(joined.take(order).images(0, 5), expected[order])


@pytest.mark.parametrize("planes", [[0, 2], [-1, 0], [0]])
def test_points_of_no_plane_are_refused(planes: list[int]) -> None:
    part = some_plane(1, clip=True)
    vectors = np.stack([part.origin, part.origin])
    where = np.array(planes, dtype=np.int64)
    with pytest.raises(ValueError, match=r"plane"):
        JoinedPlanes(
            vectors, vectors, vectors, np.zeros(2, bool), where, np.zeros((2, 2), np.float32)
        )
