"""What a turn writes on the timeline."""

import pytest

from bots.domain.enums import BotStatus
from bots.runtime.turns import status_message


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (BotStatus.RUNNING, "", "Running"),
        (BotStatus.PAUSED, "Paused", "Paused"),
        (BotStatus.WAITING_TRIGGER, "Waiting for 265", "Waiting for 265"),
        (BotStatus.STOPPING, "Stop loss 235 reached", "Stopping: Stop loss 235 reached"),
        (BotStatus.ERROR, "Error of the venue: 17", "Error: Error of the venue: 17"),
    ],
)
def test_a_state_is_not_said_twice(status: BotStatus, reason: str, words: str) -> None:
    assert status_message(status, reason) == words
