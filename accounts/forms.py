"""Forms of the account pages."""

from functools import cache
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.core.validators import MaxLengthValidator

from accounts.models import User

if TYPE_CHECKING:
    _SetPasswordForm = SetPasswordForm[User]
    _UserForm = forms.ModelForm[User]
else:
    # Generic for the type checker only.
    _SetPasswordForm = SetPasswordForm
    _UserForm = forms.ModelForm

# Argon2 would take any length; whoever sends more than this wants to keep it busy.
LONGEST_PASSWORD = 1024
_LENGTH_HELP = "12 characters or more. Several words are easier to remember than symbols."
_NOT_PLACES = ("Etc/", "SystemV/", "posix/", "right/")


def style_fields(form: forms.BaseForm) -> None:
    """Give every field of the form the look of the console, and tie errors to fields."""
    refused = [name for name in form.fields if form.is_bound and name in form.errors]
    for name, field in form.fields.items():
        is_select = isinstance(field.widget, forms.Select)
        field.widget.attrs["class"] = "select w-full" if is_select else "input w-full"
        if refused:
            # The cursor goes to the first field that has to be mended.
            field.widget.attrs["autofocus"] = name == refused[0]
        if name in refused:
            field.widget.attrs["class"] += " select-error" if is_select else " input-error"
            field.widget.attrs["aria-invalid"] = "true"
            field.widget.attrs["aria-describedby"] = f"id_{name}_error"


class LogInForm(forms.Form):
    """E-mail and password; one sentence for whatever is wrong with them."""

    REFUSED = "E-mail or password is not right."

    username = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class SignUpForm(forms.Form):
    """What we need to know of a new user; the service judges it."""

    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    full_name = forms.CharField(
        label="Name",
        max_length=80,
        required=False,
        help_text="How we greet you. You can leave it empty.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=LONGEST_PASSWORD,
        help_text=_LENGTH_HELP,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class ResetRequestForm(forms.Form):
    """The address that a reset link is to go to."""

    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )


class NewPasswordForm(_SetPasswordForm):
    """A new password, twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("new_password1", "new_password2"):
            field = cast("forms.CharField", self.fields[name])
            field.validators.append(MaxLengthValidator(LONGEST_PASSWORD))
        self.fields["new_password1"].help_text = _LENGTH_HELP
        self.fields["new_password2"].label = "New password again"
        self.fields["new_password2"].help_text = ""


class ChangePasswordForm(NewPasswordForm):
    """The old password once, the new one twice; the view judges the old one."""

    old_password = forms.CharField(
        label="Password now",
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    field_order = ["old_password", "new_password1", "new_password2"]


@cache
def time_zones() -> list[tuple[str, str]]:
    """Return the zones of places, with UTC, by name."""
    places = sorted(
        zone for zone in available_timezones() if "/" in zone and not zone.startswith(_NOT_PLACES)
    )
    return [("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in places)]


class ProfileForm(_UserForm):
    """What users may say about themselves."""

    time_zone = forms.ChoiceField(
        label="Time zone", choices=time_zones, help_text="Times on the pages are shown in it."
    )

    class Meta:
        model = User
        fields = ["full_name", "time_zone"]
        labels = {"full_name": "Name"}
