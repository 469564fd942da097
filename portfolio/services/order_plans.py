"""Orders that consist of several: cover orders, icebergs, and what is cut into slices.

The first order and its plan are written together. Whatever happens to an order of a plan marks
the plan as due in the same transaction; the gateway then takes the plan's next step in a
transaction of its own. Whoever dies in between, the plan is still due.
"""
