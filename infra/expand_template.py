"""Prints a SAM template as the plain CloudFormation that AWS makes of it, so that checks see every property."""

import json
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

with open(sys.argv[1], encoding="utf-8") as file:
    template = yaml_parse(file.read())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # AWS sees code that has been uploaded.
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
expanded = Translator({}, Parser()).translate(template, defaults)
json.dump(expanded, sys.stdout, indent=2)
