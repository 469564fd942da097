"""Forms of the pages about devices and addresses."""

from django import forms

MOST_LETTERS = 60


class NameForm(forms.Form):
    """What the user calls a device or an address; empty takes the name away."""

    name = forms.CharField(label="Name", max_length=MOST_LETTERS, required=False)


class AddressForm(forms.Form):
    """An address to trust; the service judges it."""

    address = forms.CharField(
        label="Address",
        max_length=60,
        help_text="One IPv4 address, or any address of your IPv6 network.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    name = forms.CharField(
        label="Name", max_length=MOST_LETTERS, required=False, help_text="Like Home or Office."
    )
