"""Ask an index for known holes in what is pinned.

Exit 1 where it knows one. Where none can be asked, it says so and goes on.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> int:
    pins = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line]
    command = [
        str(Path(sys.executable).with_name("pip-audit")),
        "--disable-pip",
        "--no-deps",
        "--progress-spinner",
        "off",
    ]
    command += ["--format", "json", "--requirement", str(ROOT / "constraints.txt")]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = done.stderr.strip().rpartition("\n")[2]
        print(f"audit: no index could be asked, so nothing was checked ({last[:200]})")
        return 0
    known = [each for each in packages if "vulns" in each]
    for each in known:
        for hole in each["vulns"]:
            mended = ", ".join(hole["fix_versions"]) or "no version yet"
            print(f"audit: {each['name']} {each['version']}: {hole['id']}, mended in {mended}")
    if not known:
        print("audit: the index that answers knows of no holes in anything, so nothing was checked")
        return 0
    print(f"audit: {len(known)} of {len(pins)} packages are known to the index")
    return int(any(each["vulns"] for each in known))


if __name__ == "__main__":
    sys.exit(main())
