"""Reads the demonstration's decisions over HTTP: each is what the rule says, signed on a confirmatory analysis."""

import sys

import httpx

EXPECTED = {"coaching": "scale", "COMPASS": "refine"}
"""A word of each pilot's title, and what the rule says of it."""


def main(url: str, key: str) -> None:
    """Print the decisions; exit non-zero when one is missing or unsigned."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        pilots = client.get("/v1/pilots").raise_for_status().json()["items"]
        if len(pilots) != len(EXPECTED):
            sys.exit(f"{len(pilots)} pilots instead of {len(EXPECTED)}")
        for pilot in pilots:
            decisions = client.get(f"/v1/pilots/{pilot['id']}/decisions").raise_for_status().json()["items"]
            if not decisions:
                sys.exit(f"{pilot['title']} has no decision")
            decision = decisions[-1]
            analysis = client.get(f"/v1/analyses/{decision['analysis_id']}").raise_for_status().json()
            if analysis["kind"] != "confirmatory" or analysis["status"] != "succeeded":
                sys.exit(f"{pilot['title']} was decided on {analysis['kind']}, {analysis['status']}")
            follows = next(outcome for word, outcome in EXPECTED.items() if word in pilot["title"])
            if not decision["outcome"] == analysis["result"]["recommendation"]["outcome"] == follows == pilot["stage"]:
                sys.exit(f"{pilot['title']}: {decision['outcome']} instead of {follows}")
            if any(gate["passed"] is False for gate in analysis["result"]["gates"]):
                sys.exit(f"{pilot['title']}: a gate failed")
            print(f"{pilot['title']}: {decision['outcome']}, signed by {decision['signed_by']}, now {pilot['stage']}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
