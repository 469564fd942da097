"""The form by which an owner lets somebody look."""

from django import forms


class OfferViewForm(forms.Form):
    """Whom, and until which day; the service judges it."""

    invited = forms.CharField(
        label="User id or e-mail",
        max_length=254,
        help_text="A user id (FB and digits) is safer: ask them for it. They find it in their menu.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    ends_on = forms.DateField(
        label="Last day (optional)",
        required=False,
        help_text="After this day they see nothing any more.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
