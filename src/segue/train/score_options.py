"""What a user may choose when a space of scores is learned, and what network that makes."""

from dataclasses import dataclass
from typing import Final, Literal

from segue.errors import BadArgument, check_seed
from segue.model.score.roll_vae import RollVAEConfig, classic, default, lstm

#: Chosen as JOURNAL.md tells: below 1, or the decoder hears too little of what it should play.
DEFAULT_BETA: Final = 0.02
PUBLISHED_BETA: Final = 1.0


@dataclass(frozen=True, slots=True)
class ScoreTraining:
    """What a user may choose.

    Attributes
    ----------
    encoder : {"default", "conv", "lstm"}
        The default reads notes, and learns by contrast which windows are of one song, too;
        "conv" is as published, and "lstm" as its author wished.
    convolutions : int
        With "conv": two, as published, or three.
    beta : float, optional
        Weight of the Kullback-Leibler divergence; else the network's.
    warm_up : int
        Steps over which that weight rises to its full height.
    epochs : int, optional
        Else until nothing gets better, at most `EPOCHS`.
    minutes : float, optional
        The number of epochs is made to fit.
    learning_rate : float, optional
        Else the network's.
    device : str
    seed : int
    """

    encoder: Literal["default", "conv", "lstm"] = "default"
    convolutions: int = 2
    beta: float | None = None
    warm_up: int = 200
    epochs: int | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what does not go together.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        for wrong, told in (
            (
                self.convolutions not in (2, 3),
                f"--convolutions {self.convolutions}: there are two, or three",
            ),
            (
                self.convolutions != 2 and self.encoder != "conv",
                "--convolutions belongs to --encoder conv",
            ),
            (self.beta is not None and self.beta < 0, f"--beta {self.beta}: it is 0 or above"),
            (self.warm_up < 0, f"--warm-up {self.warm_up}: a number of steps, 0 or above"),
            (
                self.learning_rate is not None and self.learning_rate <= 0,
                f"a learning rate of {self.learning_rate}; it is above 0",
            ),
        ):
            if wrong:
                raise BadArgument(told)

    @property
    def network(self) -> RollVAEConfig:
        """The network that this makes."""
        if self.encoder == "conv":
            return classic(self.convolutions)
        return lstm() if self.encoder == "lstm" else default()

    @property
    def kl_weight(self) -> float:
        """Weight of the Kullback-Leibler divergence after the warm-up."""
        if self.beta is not None:
            return self.beta
        return DEFAULT_BETA if self.encoder == "default" else PUBLISHED_BETA
