"""Files as people have them, turned into values: separated text, workbooks, REDCap exports. Pure: no rule, no rows."""

from app.imports.reading.facts import Fault, Known, Unreadable, Value
from app.imports.reading.mapping import Mapping
from app.imports.reading.reader import Reading, read
from app.imports.reading.suggest import suggest

__all__ = ["Fault", "Known", "Mapping", "Reading", "Unreadable", "Value", "read", "suggest"]
