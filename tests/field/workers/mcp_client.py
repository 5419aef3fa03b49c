"""A client of the MCP SDK: ``python mcp_client.py COMMAND [ARG ...]``; the server may be found in the current folder.

Says ``tools N`` when the server has answered, and ends the session on the first line, or end, of its standard input;
then says ``closed``.
"""

from __future__ import annotations

import asyncio
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main() -> None:
    """Hold one session."""
    server = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:], env=dict(os.environ), cwd=os.getcwd())
    async with stdio_client(server) as (reads, writes), ClientSession(reads, writes) as session:
        await session.initialize()
        os.write(1, b"tools %d\n" % len((await session.list_tools()).tools))
        await asyncio.to_thread(sys.stdin.readline)
    os.write(1, b"closed\n")


asyncio.run(main())
