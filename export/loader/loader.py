"""Keeps a copy of a workspace's messages per person and day in SQLite, equal to Rollcall.

    ROLLCALL_KEY=rc_… python3 loader.py https://usage.example.com usage.db

Run it as often as you like. It fetches the days that have changed, and nothing else: late events,
corrections and erasures change a day's version, and repeated events do not.
"""
import json, os, sqlite3, sys, urllib.error, urllib.request

service, file = sys.argv[1:]


def get(path):
    key = {"Authorization": "Bearer " + os.environ["ROLLCALL_KEY"]}
    try:
        return urllib.request.urlopen(urllib.request.Request(service + path, headers=key), timeout=600)
    except urllib.error.HTTPError as e:
        sys.exit(f"{path}: {e.read().decode()}")  # a sentence that says what to do


db = sqlite3.connect(file)
db.executescript("""
CREATE TABLE IF NOT EXISTS days (date TEXT PRIMARY KEY, version TEXT);
CREATE TABLE IF NOT EXISTS messages (date TEXT, user_id TEXT, messages INTEGER, PRIMARY KEY (date, user_id));
""")
catalogue = json.load(get("/v1/exports"))  # what is older than its earliest date cannot be asked for, and is kept
days = json.load(get("/v1/days?to=" + catalogue["today"]))["days"]  # usage of tomorrow can be there already
now = {day["date"]: day["version"] for day in days}
kept = dict(db.execute("SELECT date, version FROM days WHERE date >= ?", [catalogue["earliest"]]))
changed = sorted(date for date in now.keys() | kept.keys() if now.get(date) != kept.get(date))
for date in changed:
    rows = map(json.loads, get(f"/v1/exports/users?from={date}&to={date}&include_inactive=false&format=ndjson"))
    with db:  # a day is replaced whole or not at all
        db.execute("DELETE FROM messages WHERE date = ?", [date])
        db.executemany("INSERT INTO messages VALUES (?, ?, ?)", ([date, r["user_id"], r["messages_total"]] for r in rows))
        # the version from before the rows: if the day has changed since, the next run fetches it again
        db.execute("REPLACE INTO days VALUES (?, ?)", [date, now.get(date)])
print(f"{len(changed)} days fetched")
