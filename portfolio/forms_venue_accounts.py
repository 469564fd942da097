"""Forms of connected accounts. What is secret is never written back into a page."""

from typing import Any

from django import forms

from market.domain.credentials import Credentials
from portfolio.domain.compliance import EVIDENCE_WORDS, RULES, EvidenceKind, rules_of
from portfolio.domain.connections import Connection
from portfolio.services.compliance import Paper

# What keys of these venues are made of; also keeps line ends out of a request's headers.
_KEY_SHAPE = r"\A[A-Za-z0-9]{8,128}\Z"
_KEY_WRONG = "This has letters and digits only, 8 to 128 of them. Copy it once more."
_PAPERS = [kind for kind in EvidenceKind if kind is not EvidenceKind.STAFF_CONFIRMATION]


def _secret_field(label: str, help_text: str = "") -> forms.RegexField:
    return forms.RegexField(
        _KEY_SHAPE,
        label=label,
        help_text=help_text,
        error_messages={"invalid": _KEY_WRONG, "required": "Paste it here."},
        # A password field: never shown, and empty again after an error.
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}
        ),
    )


class KeyForm(forms.Form):
    """An API key and its secret."""

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"] = _secret_field(connection.key_label, connection.rights)
        self.fields["secret"] = _secret_field(connection.secret_label)

    @property
    def credentials(self) -> Credentials:
        """Return what was typed."""
        return Credentials(key=self.cleaned_data["key"], secret=self.cleaned_data["secret"])


class PaperForm(forms.Form):
    """One paper to put on record."""

    kind = forms.ChoiceField(label="Paper")
    reference = forms.CharField(
        label="Number or text",
        max_length=120,
        help_text="The address, the registration number, or where the confirmation can be found.",
    )
    dated_on = forms.DateField(
        label="Date of the paper", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, profile: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = rules_of(profile).evidence
        self.fields["kind"] = forms.ChoiceField(
            label="Paper", choices=[(kind, _titled(kind)) for kind in kinds]
        )

    def clean(self) -> dict[str, Any]:
        """Ask for an address where the paper is about one."""
        values = super().clean() or {}
        if values.get("kind") == EvidenceKind.STATIC_ADDRESS and "reference" in values:
            try:
                values["reference"] = _ADDRESS.clean(values["reference"])
            except forms.ValidationError as error:
                self.add_error("reference", error)
        return values

    @property
    def paper(self) -> Paper:
        """Return what was typed."""
        values = self.cleaned_data
        return Paper(EvidenceKind(values["kind"]), values["reference"], values["dated_on"])


class ConnectForm(KeyForm):
    """A new connected account: name, rules, key, and the papers that the rules ask for."""

    name = forms.CharField(
        label="Name", max_length=40, help_text="How the account is shown to you."
    )

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:
        super().__init__(*args, connection=connection, **kwargs)
        self.fields["name"].initial = connection.name
        if connection.is_live:
            self._add_rules(connection)
        self.order_fields(["name", "profile", "key", "secret"])
        self._only_profile = connection.profiles[0]

    def _add_rules(self, connection: Connection) -> None:
        self.fields["profile"] = forms.ChoiceField(
            label="Under which rules you trade",
            choices=[(each, RULES[each].name) for each in connection.profiles],
        )
        for kind in _PAPERS:
            self.fields[kind.lower()] = _paper_field(kind)
            self.fields[f"{kind.lower()}_date"] = forms.DateField(
                label="Its date",
                required=False,
                widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            )
            # The page hides what the chosen rules do not ask for.
            needed = " ".join(each for each in connection.profiles if kind in RULES[each].evidence)
            for name in (kind.lower(), f"{kind.lower()}_date"):
                self.fields[name].widget.attrs["data-needed"] = needed

    def clean(self) -> dict[str, Any]:
        """Ask for the papers of the chosen rules, each with its date."""
        values = super().clean() or {}
        for kind in rules_of(self.profile).evidence:
            for name in (kind.lower(), f"{kind.lower()}_date"):
                if not values.get(name) and name not in self.errors:
                    self.add_error(name, "These rules ask for it.")
        return values

    @property
    def profile(self) -> str:
        """Return the rules chosen, or the only ones there are."""
        return str(self.cleaned_data.get("profile") or self._only_profile)

    @property
    def papers(self) -> tuple[Paper, ...]:
        """Return the papers of the chosen rules; others that were typed are not kept."""
        values = self.cleaned_data
        return tuple(
            Paper(kind, str(values[kind.lower()]), values[f"{kind.lower()}_date"])
            for kind in rules_of(self.profile).evidence
        )


_ADDRESS = forms.GenericIPAddressField(
    unpack_ipv4=True, error_messages={"invalid": "Enter an IP address like 203.0.113.7."}
)


def _paper_field(kind: EvidenceKind) -> forms.Field:
    askers = [rules.name for rules in RULES.values() if kind in rules.evidence]
    is_everywhere = len(askers) == sum(bool(rules.evidence) for rules in RULES.values())
    words = "Always needed." if is_everywhere else f"Needed under: {'; '.join(askers)}."
    if kind is EvidenceKind.STATIC_ADDRESS:
        return forms.GenericIPAddressField(
            label=_titled(kind),
            required=False,
            help_text=words,
            unpack_ipv4=True,
            error_messages={"invalid": "Enter an IP address like 203.0.113.7."},
        )
    return forms.CharField(label=_titled(kind), required=False, max_length=120, help_text=words)


def _titled(kind: EvidenceKind) -> str:
    words = EVIDENCE_WORDS[kind]
    return words[0].upper() + words[1:]
