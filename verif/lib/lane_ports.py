"""The ports of Vector and Scalar as flat names, without the fields that carry nothing in a cycle."""

from typing import Any

__all__ = ["lane_port_fields", "lane_port_values", "request_fields"]


def request_fields(out: dict[str, Any]) -> dict[str, int]:
    """All fields of `request` and `psum_request`, by `port.field`."""
    return {f"{port}.{name}": int(value) for port in ("request", "psum_request") for name, value in out[port].items()}


def lane_port_fields(control: dict[str, Any]) -> dict[str, int]:
    """Fields of `to_lanes` by name; position, index and place_position are 0 unless their order is given.

    The first element of each source tells where it is only beside `push`; a pop is looked at only with `advance`.
    """
    flat: dict[str, int] = {}
    for name, value in control["setup"].items():
        items = value if isinstance(value, (tuple, list)) else (value,)
        flat |= {f"setup.{name}[{i}]": int(item) for i, item in enumerate(items)}
    for s, push in enumerate(control["push"]):
        flat[f"push[{s}]"], flat[f"load[{s}]"] = int(push), int(control["load"][s])
        flat[f"position[{s}]"] = int(control["position"][s]) if push and not control["setup"]["psum"][s] else 0
        flat[f"push_index[{s}]"] = int(control["push_index"][s]) if push else 0
        flat[f"pop_index[{s}]"] = int(control["pop_index"][s]) if control["advance"] else 0
    for name in ("advance", "place", "move"):
        flat[name] = int(control[name])
    flat["place_position"] = int(control["place_position"]) if control["place"] else 0
    return flat


def lane_port_values(control: dict[str, Any], undefined: dict[str, Any]) -> dict[str, int | None]:
    """As `lane_port_fields`, None for a field with a bit of X or Z; `undefined` has the masks of those bits."""
    orders = {name: control[name] for name in ("push", "advance", "place")}
    setup = {**undefined["setup"], "psum": control["setup"]["psum"]}
    lost = lane_port_fields({**undefined, **orders, "setup": setup})
    gates = lane_port_fields(undefined)
    flat: dict[str, int | None] = {}
    for name, value in lane_port_fields(control).items():
        is_gate = name.split("[")[0] in (*orders, "setup.psum")
        flat[name] = None if (gates if is_gate else lost)[name] else value
    return flat
