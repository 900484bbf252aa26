"""What a warm Python is worth: imports much, comes to the point, says that it is there, then does some work."""
import asyncio
import decimal
import email
import http.client
import json
import os
import sqlite3
import sys
import xml.dom.minidom

os.path.exists("/snap/here")

with open("/proc/self/cmdline", "rb") as file:  # as it is now: the image may have been started with other arguments
    words = [word.decode() for word in file.read().split(b"\0")[2:-1]]
if words == ["wait"]:
    os.read(0, 1)
    words = []
print("started", json.dumps(words), flush=True)
root = decimal.Decimal(2).sqrt()
title = xml.dom.minidom.parseString("<page><title>warm</title></page>").getElementsByTagName("title")[0].firstChild.data
print(title, json.dumps({"sqrt": str(root)}), len(sys.modules) > 100,
      bool(asyncio and email and http and sqlite3), flush=True)
