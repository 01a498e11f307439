"""Stands in for `pulumi-engine-worker`: answers each request as the request's first argument says."""

import json
import os
import signal
import sys
import time
from pathlib import Path

for line in sys.stdin:
    request = json.loads(line)
    command, *rest = request["args"]
    Path(request["stdout"]).write_text(f"{os.getpid()} {request['env'].get('NAME', '')}")
    Path(request["stderr"]).write_text("what went wrong\n" if command != "work" else "")
    answer = {"code": 0, "panic": False, "rss_kb": 100 * 1024}
    match command:
        case "fail":
            answer["code"] = 1
        case "panic":
            answer |= {"code": 255, "panic": True}
        case "grow":
            answer["rss_kb"] = 500 * 1024
        case "hang":
            time.sleep(60)
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
    print(json.dumps(answer), flush=True)
