"""The stand-in for WHMCS, called by a client that others have written (whmcs-api-client).

Where it is, and as whom to call it, is in the environment: WHMCS_URL, WHMCS_IDENTIFIER, WHMCS_SECRET. Ends with an
AssertionError where an answer isn't what that client expects of WHMCS.
"""

import os

import whmcs_client
from whmcs_client.exceptions import ForbiddenException

CLIENT, PRODUCT = 12, 5


class Whmcs:
    """The foreign client with its credentials, which it sends as WHMCS before 7.2 wanted them."""

    def __init__(self, url, identifier, secret):
        self.http = whmcs_client.ApiClient(whmcs_client.Configuration(host=f"{url}/includes"))
        self.api = whmcs_client.DefaultApi(self.http)
        self.login = {"username": identifier, "password": secret, "responsetype": "json"}

    def call(self, method, **parameters):
        """One of the actions that the client has types for."""
        return getattr(self.api, method)(**self.login, **parameters)

    def call_untyped(self, action, **parameters):
        """An action that it has no types for, through its own serialisation and transport."""
        request = self.http.param_serialize(
            method="POST",
            resource_path=f"/api.php?action={action}",
            header_params={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            post_params=list({**self.login, **parameters}.items()),
        )
        response = self.http.call_api(*request)
        response.read()
        return self.http.response_deserialize(response, {"200": "object"}).data


def check_clients(whmcs):
    details = whmcs.call("get_clients_details", clientid=CLIENT)
    assert details.result == "success", details
    assert details.client.email == "ada@example.com", details
    unknown = whmcs.call("get_clients_details", clientid=CLIENT + 1)
    assert (unknown.result, unknown.message) == ("error", "Client Not Found"), unknown


def check_order(whmcs):
    added = whmcs.call(
        "add_order", clientid=CLIENT, paymentmethod="mailin", pid=[PRODUCT, PRODUCT], billingcycle=["monthly", "annually"]
    )
    assert added.result == "success", added
    assert len(added.productids) == 2, added
    accepted = whmcs.call_untyped("AcceptOrder", orderid=added.orderid, serviceusername="s3-uid")
    assert accepted == {"result": "success"}, accepted
    again = whmcs.call_untyped("AcceptOrder", orderid=added.orderid)
    assert again == {"result": "error", "message": "Order ID not found or Status not Pending"}, again

    orders = whmcs.call("get_orders", userid=CLIENT)
    assert orders.result == "success", orders
    services = whmcs.call("get_clients_products", clientid=CLIENT)
    services = services.products["product"]
    assert [service["id"] for service in services] == added.productids, services
    assert [service["billingcycle"] for service in services] == ["Monthly", "Annually"], services
    assert {service["status"] for service in services} == {"Active"}, services
    invoices = whmcs.call("get_invoices", userid=CLIENT)
    assert invoices.result == "success", invoices


def check_billable_item(whmcs):
    item = {"clientid": CLIENT, "description": "Storage", "amount": "1.25", "unit": "quantity", "quantity": 1}
    added = whmcs.call_untyped("AddBillableItem", invoiceaction="nextinvoice", **item)
    assert added == {"status": "success", "billableid": 1}, added
    refused = whmcs.call_untyped("AddBillableItem", invoiceaction="duedate", **item)
    assert refused == {"result": "error", "message": "Due date is required"}, refused


def check_strangers(url, identifier):
    stranger = Whmcs(url, identifier, "wrong")
    try:
        stranger.call("get_clients_details", clientid=CLIENT)
    except ForbiddenException as error:
        assert "Authentication Failed" in error.body, error
    else:
        raise AssertionError("a stranger was let in")


def main():
    url, identifier = os.environ["WHMCS_URL"], os.environ["WHMCS_IDENTIFIER"]
    whmcs = Whmcs(url, identifier, os.environ["WHMCS_SECRET"])
    check_clients(whmcs)
    check_order(whmcs)
    check_billable_item(whmcs)
    check_strangers(url, identifier)


main()
