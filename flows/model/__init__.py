"""The nouns of thinking: a case of evidence, what a rule finds in it, and the diagnosis that comes of it."""

from flows.model.case import Case, Missing
from flows.model.component import Component
from flows.model.diagnosis import AlsoAffected, Diagnosis, LayerRow, LayerState, LookCommand, Provenance, RecordedCase
from flows.model.explanation import AskedLook, Explanation, OtherCause, Statement, Struck, Usage
from flows.model.finding import Doubt, Finding, Rule
from flows.model.fix import NO_FIX, REMOVE_OBJECT, Fix, JsonPatchFix, ManifestFix, NoFix, Operation, Proof
from flows.model.remedy import AdmitTraffic, LiftDeny, RaiseMemory, Recorded, Remedy, SetSelector, SetTargetPort

__all__ = [
    "NO_FIX",
    "REMOVE_OBJECT",
    "AdmitTraffic",
    "AlsoAffected",
    "AskedLook",
    "Case",
    "Component",
    "Diagnosis",
    "Doubt",
    "Explanation",
    "Finding",
    "Fix",
    "JsonPatchFix",
    "LayerRow",
    "LayerState",
    "LiftDeny",
    "LookCommand",
    "ManifestFix",
    "Missing",
    "NoFix",
    "Operation",
    "OtherCause",
    "Proof",
    "Provenance",
    "RaiseMemory",
    "Recorded",
    "RecordedCase",
    "Remedy",
    "Rule",
    "SetSelector",
    "SetTargetPort",
    "Statement",
    "Struck",
    "Usage",
]
