"""The form by which an owner lets somebody look."""

from django import forms


class OfferViewForm(forms.Form):
    """Whom, and until which day; the service judges it."""

    invited = forms.CharField(
        label="User id or e-mail",
        max_length=254,
        help_text="A user id like FB0007 is safer: ask them for it. It stands in their menu.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    ends_on = forms.DateField(
        label="Last day (may stay empty)",
        required=False,
        help_text="After this day they see nothing any more.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
