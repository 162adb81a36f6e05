"""Checks files with the FOCUS validator, by the newest rules that it ships:

    validate.py CONDITIONS FILE…

It prints a line of JSON for each file. The validator's command line would not do, because it exits
with 0 whatever it finds. CONDITIONS are names from the rules, separated by commas: rules with other
conditions are left out, as the validator does by default with all of them.
"""

import contextlib
import json
import logging
import os
import pathlib
import sys

import focus_validator
from focus_validator.validator import Validator

logging.disable(logging.CRITICAL)
package = pathlib.Path(focus_validator.__file__).parent
os.chdir(package.parent)  # the validator opens its list of currencies by a relative path

def newest_rules():
    sets = [json.loads(path.read_text()) for path in package.glob("rules/model-*.json")]
    return max(sets, key=lambda rules: [int(n) for n in rules["Details"]["ModelVersion"].split(".")])


def alternatives(rules, results):
    """The rules of which just one must hold, where one does."""
    for name, rule in rules["ModelRules"].items():
        requirement = rule["ValidationCriteria"]["Requirement"]
        if requirement.get("CheckFunction") == "OR" and results.get(name, {}).get("ok"):
            for item in requirement["Items"]:
                if item["CheckFunction"] == "CheckModelRule":
                    yield item["ModelRuleId"]


def check(file, rules, conditions):
    validator = Validator(
        data_filename=file, output_type="console", output_destination=None, focus_dataset="CostAndUsage",
        rules_version=rules["Details"]["FOCUSVersion"], rules_block_remote_download=True,
        applicability_criteria=conditions or None,
    )
    with contextlib.redirect_stdout(sys.stderr):  # its report
        found = validator.validate()
    results = found.by_rule_id
    skipped = [name for name, one in results.items() if (one.get("details") or {}).get("skipped")]
    failed = [name for name, one in results.items() if not one.get("ok") and name not in skipped]
    excused = set(alternatives(rules, results))
    return {
        "focus": rules["Details"]["FOCUSVersion"],
        "rows": found.data_row_count,
        "held": len(results) - len(skipped) - len(failed),
        "other_alternatives": sorted(set(failed) & excused),
        "broken": {name: results[name]["details"].get("message") for name in failed if name not in excused},
    }


for given in sys.argv[2:]:
    print(json.dumps(check(given, newest_rules(), sys.argv[1])), flush=True)
