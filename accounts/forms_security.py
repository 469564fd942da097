"""Forms of the second factor."""

from django import forms

from accounts.services.passkeys import LONGEST_NAME


class CodeInput(forms.TextInput):
    """A field that never shows again what was typed into it: a refused code is of no use."""

    def format_value(self, value: object) -> str | None:
        """Return nothing."""
        return None


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=60,
        widget=CodeInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )


class RecoveryCodeForm(CodeForm):
    """A recovery code; its letters need another keyboard on a phone."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["code"]
        field.label = "Recovery code"
        field.help_text = "Like 01 ABCD-EFGH-JKLM-NPQR. Each one works once."
        field.widget.attrs |= {"autocomplete": "off", "inputmode": "text"}


class PasswordForm(forms.Form):
    """The password again, where no second factor is enrolled."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )


class PasskeyNameForm(forms.Form):
    """What a user calls a passkey."""

    name = forms.CharField(label="Name", max_length=LONGEST_NAME)
