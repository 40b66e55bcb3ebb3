"""Everything that reaches into Gradio's insides, one module for each patch.

Each docstring says what Gradio does, why that is not enough, and what to check when Gradio is upgraded. Each module has
a test in tests/ui/gradio_patches that fails when the installed Gradio no longer has what the patch leans on. So an
upgrade is: install, run those tests and tests/browser, read the docstrings of what failed.

    request_guard   the ASGI middleware in front of Gradio: blocked paths, limits on bodies, safe headers
    multipart       files only, written in large pieces, deleted when an upload breaks off
    links           a file is an upload, never an address that the server would fetch
    uploads         old uploads are deleted
    call_errors     every call that fails says why
    fair_queue      a share of the queue for each visitor; loops that end start again
    accounts        who asks, and what they have had lately
    mailboxes       messages for sessions, kept while they are needed
    sessions        whose state goes when there are too many
    shutdown        waiting visitors are told when the server ends
    mcp_tool        the tool for agents: JSON results, with a schema of what it takes and gives
    json_schema     the shape of an endpoint's JSON, stated in the API
    translation     texts that the browser translates
    whole_values    a value that changes is sent whole
    recorder        how long the pieces are that live mode sends
    browser         what the scripts need from Gradio's own page: browser/*.js
"""
