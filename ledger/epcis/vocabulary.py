"""CBV words in each of their spellings, and which spelling a form of document takes (EPCIS.md, Forms; CBV 2.0 §7).

JSON writes a standard word bare (`shipping`), XML as a URN (`urn:epcglobal:cbv:bizstep:shipping`) or as a Web URI
(`https://ref.gs1.org/cbv/BizStep-shipping`), and both are met as a CURIE (`cbv:BizStep-shipping`). Only words of the
tables are ever translated: a word somebody else made is left as it came. Source of the words: GS1 Core Business
Vocabulary 2.0 §7.1 to §7.7, and the GS1 Web Vocabulary for what sensors measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from ledger.trade.vocabulary import (
    CBV_FORMER_NAMESPACE,
    CBV_NAMESPACE,
    PARTY_TYPES,
    TRANSACTION_TYPES,
    Disposition,
    Step,
    words_of,
)

GS1_NAMESPACE: Final = "https://gs1.org/voc/"
_GS1_SPELLINGS: Final = (
    GS1_NAMESPACE, "http://gs1.org/voc/", "https://www.gs1.org/voc/", "http://www.gs1.org/voc/",
    "https://ref.gs1.org/voc/", "gs1:",
)  # fmt: skip


class CbvFormat(StrEnum):
    """How words of the CBV are spelt in XML: the values of the header GS1-CBV-XML-Format (EPCIS 2.0 §12.6)."""

    NO_PREFERENCE = "No_Preference"
    WEB = "Always_Web_URI"
    URN = "Always_URN"
    AS_WRITTEN = "Never_Translates"


class Vocabulary(NamedTuple):
    """One closed list of words. `bare_of` has every spelling of each of them."""

    urn: str
    """What stands before a word in its URN; empty where there is none."""
    web: str
    """What stands before a word in its Web URI."""
    words: frozenset[str]
    bare_of: Mapping[str, str]

    def bare(self, text: str) -> str:
        """The bare word that `text` spells; `text` itself where it spells none of these."""
        return self.bare_of.get(text, text)

    def as_urn(self, text: str) -> str:
        """The URN of the word that `text` spells, its Web URI where it has no URN; `text` itself where it spells none."""
        word = self.bare_of.get(text)
        return text if word is None else f"{self.urn or self.web}{word}"

    def as_web(self, text: str) -> str:
        """The Web URI of the word that `text` spells; `text` itself where it spells none of these."""
        word = self.bare_of.get(text)
        return text if word is None else f"{self.web}{word}"

    def spelled(self, text: str, wanted: CbvFormat) -> str:
        """A word as XML has it, which takes no bare words: what is a URI is translated only where that is asked for."""
        if wanted is CbvFormat.WEB:
            return self.as_web(text)
        if wanted is CbvFormat.AS_WRITTEN and text not in self.words:
            return text
        return self.as_urn(text)


def _made(urn: str, web: str, words: Iterable[str], more: tuple[str, ...] = ()) -> Vocabulary:
    listed = frozenset(words)
    before = ("", *((urn,) if urn else ()), web, *more)
    return Vocabulary(urn, web, listed, {start + word: word for start in before for word in sorted(listed)})


def _cbv(urn: str, web: str, words: Iterable[str]) -> Vocabulary:
    return _made(
        f"urn:epcglobal:cbv:{urn}:", f"{CBV_NAMESPACE}{web}-", words,
        (f"{CBV_FORMER_NAMESPACE}{web}-", f"cbv:{web}-"),
    )  # fmt: skip


STEP: Final = _cbv("bizstep", "BizStep", words_of(Step))
DISPOSITION: Final = _cbv("disp", "Disp", words_of(Disposition))
TRANSACTION_TYPE: Final = _cbv("btt", "BTT", TRANSACTION_TYPES)
PARTY_TYPE: Final = _cbv("sdt", "SDT", PARTY_TYPES)
ERROR_REASON: Final = _cbv("er", "ER", ("did_not_occur", "incorrect_data"))
COMPONENT: Final = _made(
    "", f"{CBV_NAMESPACE}Comp-",
    ("x", "y", "z", "axial_distance", "azimuth", "height", "spherical_radius", "polar_angle", "elevation_angle",
     "easting", "northing", "latitude", "longitude", "altitude"),
    (f"{CBV_FORMER_NAMESPACE}Comp-", "cbv:Comp-"),
)  # fmt: skip
SENSOR_ALERT: Final = _made("", GS1_NAMESPACE, ("ALARM_CONDITION", "ERROR_CONDITION"), _GS1_SPELLINGS)
MEASUREMENT: Final = _made(
    "", GS1_NAMESPACE,
    ("AbsoluteHumidity", "AbsorbedDose", "AbsorbedDoseRate", "Acceleration", "Altitude", "AmountOfSubstance",
     "AmountOfSubstancePerUnitVolume", "Angle", "AngularAcceleration", "AngularMomentum", "AngularVelocity", "Area",
     "Capacitance", "Conductance", "Conductivity", "Count", "Density", "Dimensionless", "DoseEquivalent",
     "DoseEquivalentRate", "DynamicViscosity", "ElectricCharge", "ElectricCurrent", "ElectricCurrentDensity",
     "ElectricFieldStrength", "Energy", "Exposure", "Force", "Frequency", "Illuminance", "Inductance", "Irradiance",
     "KinematicViscosity", "Length", "LinearMomentum", "Luminance", "LuminousFlux", "LuminousIntensity", "MagneticFlux",
     "MagneticFluxDensity", "MagneticVectorPotential", "Mass", "MassConcentration", "MassFlowRate", "MassPerAreaTime",
     "MemoryCapacity", "MolalityOfSolute", "MolarEnergy", "MolarMass", "MolarVolume", "Power", "Pressure",
     "RadiantFlux", "RadiantIntensity", "Radioactivity", "RelativeHumidity", "Resistance", "Resistivity", "SolidAngle",
     "SpecificVolume", "Speed", "SurfaceDensity", "SurfaceTension", "Temperature", "Time", "Torque", "Voltage",
     "Volume", "VolumeFlowRate", "VolumeFraction", "VolumetricFlux", "Wavenumber"),
    _GS1_SPELLINGS,
)  # fmt: skip
