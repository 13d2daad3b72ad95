"""How Huawei and H3C write a rule: each part after a keyword of its own. Data that their dialects share."""

_ADDRESS = r"any|[\d.]+ [\d.]+"
_PORT = r"eq \S+|range \S+ \S+|gt \S+|lt \S+"

RULES = (
    (
        r"(?P<action>permit|deny) (?P<proto>ip|tcp|udp|icmp)"
        rf"( source (?P<src>{_ADDRESS}))?( source-port (?P<sport>{_PORT}))?"
        rf"( destination (?P<dst>{_ADDRESS}))?( destination-port (?P<dport>{_PORT}))?"
        r"( precedence (?P<precedence>[0-7]))?( logging)?"
    ),
    rf"(?P<action>permit|deny)( source (?P<src>{_ADDRESS}))?( logging)?",
)
