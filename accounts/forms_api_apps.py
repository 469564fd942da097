"""Forms of the API apps; the services judge what is typed."""

from typing import Any

from django import forms

from accounts.domain.allowed_addresses import MOST
from accounts.domain.api_products import PRODUCT_WORDS, ApiProduct
from accounts.domain.redirect_urls import LONGEST
from accounts.models import ApiApp
from accounts.services.api_apps import AppSettings

# As plain text: what a browser or Django would mend in an address, we want to refuse.
_ADDRESS = {"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}


class ApiAppForm(forms.Form):
    """What the owner of an app decides about it."""

    name = forms.CharField(label="Name", max_length=60, help_text="People see it when they log in.")
    redirect_url = forms.CharField(
        label="Redirect address",
        max_length=LONGEST,
        strip=False,
        widget=forms.TextInput(attrs=_ADDRESS),
        help_text="Log-ins return here and nowhere else: https://, or http://127.0.0.1 for a "
        "program on your own machine.",
    )
    postback_url = forms.CharField(
        label="Postback address (optional)",
        max_length=LONGEST,
        required=False,
        strip=False,
        widget=forms.TextInput(attrs=_ADDRESS),
        help_text="Notices about orders will go here: https:// and a public host name.",
    )
    products = forms.MultipleChoiceField(
        label="It may trade in",
        choices=[(each.value, PRODUCT_WORDS[each]) for each in ApiProduct],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox checkbox-sm"}),
        initial=[ApiProduct.CNC.value],
    )

    @classmethod
    def of(cls, app: ApiApp, data: Any = None) -> "ApiAppForm":
        """Return the form with what an app has now."""
        names = ("name", "redirect_url", "postback_url", "products")
        return cls(data, initial={name: getattr(app, name) for name in names})

    def settings(self) -> AppSettings:
        """Return what was typed."""
        return AppSettings(**self.cleaned_data)


class AddressesForm(forms.Form):
    """From where orders may come: up to two addresses."""

    first = forms.CharField(label="First address", max_length=60, required=False)
    second = forms.CharField(label="Second address", max_length=60, required=False)

    @classmethod
    def of(cls, app: ApiApp, data: Any = None) -> "AddressesForm":
        """Return the form with the app's addresses."""
        padded = [*app.allowed_addresses, *[""] * MOST]
        return cls(data, initial={"first": padded[0], "second": padded[1]})

    def texts(self) -> list[str]:
        """Return what was typed."""
        return [self.cleaned_data["first"], self.cleaned_data["second"]]
