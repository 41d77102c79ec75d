"""Events that readers trip over: each a JSON object that JumpCloud could send, and each archived as it is."""

import json
from datetime import datetime, timedelta, timezone

ORGANIZATION = "5f3c1d2e4b6a79880c1d2e3f"

# Half of a surrogate pair: RFC 8259 allows the escape, no text can hold what it means.
LONE_SURROGATES = {
    "high half": r'"detail":"\ud83d"',
    "low half": r'"detail":"\ude00 and more"',
    "halves the wrong way round": r'"detail":"\ude00\ud83d"',
    "half as a key": r'"\ud800":true',
    "half within changes": r'"changes":[{"field":"displayname","from":"\udfff","to":"x"}]',
    "half before a whole pair": r'"detail":"\ud83d\ud83d\ude00"',
}

# Valid by the grammar, and beyond the limits of some parsers.
BEYOND_LIMITS = {
    "number too large for a double": '"changes":[{"field":"x","from":1e400,"to":-1e400}]',
    "number too large for a double, in digits": '"size":1' + 400 * "0",
    "forty digits": '"size":1234567890123456789012345678901234567890',
    "two hundred levels": f'"deep":{200 * "["}1{200 * "]"}',
    "eleven hundred levels": f'"deep":{1100 * "["}1{1100 * "]"}',
}

# What orjson, a strict parser, takes of these all the same.
TAKEN_BY_ORJSON = {"forty digits", "two hundred levels"}

# What must never cost a line.
AWKWARD = {
    "raw line separators": '"detail":"a\u2028b\u2029c\u0085d"',
    "line breaks between tokens": '"a":\r\n 1,\n"b" :\t[ ]',
    "escaped line breaks": r'"detail":"a\r\nb\nc"',
    "escaped control characters": r'"detail":"\u0000\u0001\u001f\b\f\t"',
    "delete and C1 characters": '"detail":"\u007f\u0080\u009f"',
    "byte order mark": '"detail":"\ufeffx"',
    "noncharacters": '"detail":"\ufffe\uffff\U0010ffff"',
    "characters beyond the first plane": '"detail":"\U0001f600\U00020000"',
    "escaped pairs": r'"detail":"\ud83d\ude00\uD83D\uDE00"',
    "quotes and backslashes": r'"detail":"\"\\\\\/\u0022\u005c"',
    "right to left": '"detail":"\u202eabc\u202c"',
    "markup and formulas": '"detail":"</script><!-- =cmd|\' /C calc\'!A0"',
    "twenty digits": '"size":12345678901234567890',
    "largest integer of a double and one more": '"size":[9007199254740992,9007199254740993]',
    "minus zero and exponents": '"size":[-0,-0.0,1E+2,1e-400,0.1e1]',
    "equal keys": '"detail":"first","detail":"second"',
    "equal keys but for case": '"Detail":"first","detail":"second","EVENT_TYPE":"x"',
    "empty key": '"":{"":""}',
    "dots and dollars in keys": '"a.b":1,"a":{"b":2},"$ref":"x","_id":"x","@timestamp":"x"',
    "names that readers use themselves": '"Records":[{"s3":1}],"message":"m","host":"h","source":"s","time":0',
    "text where readers want an object": '"detail":"text","event":"text","user":"text","geoip":"text","changes":"text"',
    "object where readers want text": '"username":{"a":1},"client_ip":{"v4":"192.0.2.1"},"resource":"text"',
    "changes of every type": '"changes":['
    '{"field":"a","from":null,"to":true},{"field":"b","from":1,"to":1.5},{"field":"c","from":"x","to":[]},'
    '{"field":"d","from":[1,"x"],"to":{}},{"field":"e","to":{"k":[null]}},{"field":"f"},"text",7,null]',
    "empty values": '"detail":"","changes":[],"resource":{},"provider":null',
    "line of 75 KB": f'"detail":"{75_000 * "x"}"',
    "line of 300 KB": f'"detail":"{300_000 * "x"}"',
    "line of 600 KB": f'"detail":"{600_000 * "x"}"',
    "line of 5 MB": f'"detail":"{5_000_000 * "x"}"',
    "thousand fields": ",".join(f'"field_{number}":{number}' for number in range(1000)),
}

# Other heads than the usual one: these members replace the usual ones of their names; None leaves one out.
HEADS = {
    "no id": {"id": None},
    "number as id": {"id": "12"},
    "service of no known form": {"service": '"Ünusual / service"'},
    "no service": {"service": None},
    "number as service": {"service": "7"},
    "no time": {"timestamp": None},
    "time of no known form": {"timestamp": '"yesterday, about noon"'},
}


def events(now=None):
    """The events as JumpCloud would send them, by what is odd about them; all in the last three hours."""
    began = (now or datetime.now(timezone.utc)) - timedelta(hours=2)
    bodies = [(name, {}, body) for group in (LONE_SURROGATES, BEYOND_LIMITS, AWKWARD) for name, body in group.items()]
    bodies += [(name, head, '"detail":"x"') for name, head in HEADS.items()]
    made = {}
    for number, (name, changed, body) in enumerate(bodies):
        time = began + timedelta(milliseconds=1500 * number)
        head = {
            "id": f'"{0xABAD1DEA:012x}{number:012x}"',
            "service": '"directory"',
            "event_type": '"user_update"',
            "organization": f'"{ORGANIZATION}"',
            "timestamp": f'"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"',
        } | changed
        members = [f'"{key}":{value}' for key, value in head.items() if value is not None]
        made[name] = "{" + ",".join([*members, f'"hostile":{json.dumps(name)}', body]) + "}"
    return made


def as_archived(text):
    """A line as the archive must hold it: no line break between tokens, three characters written as escapes."""
    kept, within, escaped = [], False, False
    for character in text:
        if not within and character in "\r\n":
            continue
        if escaped:
            escaped = False
        elif within and character == "\\":
            escaped = True
        elif character == '"':
            within = not within
        kept.append(character)
    line = "".join(kept)
    for character in "\u2028\u2029\u0085":
        line = line.replace(character, f"\\u{ord(character):04x}")
    return line
