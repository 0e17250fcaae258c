"""`ruie web`: the pages that show what ruie does and let people put it right.

A section is a module with `ROUTES`, a list of Starlette's routes, and a line in `SECTIONS` of
`worker/web/app.py`, which gives it its place in the navigation. Its handlers are plain functions
(Starlette runs them in threads) that take a request and return what `render` makes of a template:

    from ruie.worker.web.pages import address, door, form, redirect, render, returns

    def item(request: Request) -> Response:
        web = door(request)                       # .config, .client, .engine, .redis()
        return render(request, "item.html", item=web.client.job(request.path_params["job_id"]))

    def rename(request: Request) -> Response:     # POST: session and form token are checked
        name = form(request).get("name", "")      # the fields, or `json_body(request)`
        return redirect(request, "item", job_id=..., said="Renamed.")

    ROUTES = [
        Route("/items/{job_id}", item, name="item"),
        Route("/items/{job_id}/rename", rename, name="rename", methods=["POST"]),
    ]

Templates begin with `{% extends "base.html" %}` and fill the blocks `title` and `main`; they know
`path(NAME, **parameters)`, `static(FILE)`, `csrf` (the value of the hidden field `csrf_token`; a
script sends it as the header X-CSRF-Token, from `<meta name="csrf-token">`). Addresses always come
from `path` or `address`, so that a prefix of a proxy is in them. No inline script or style, not
even an attribute `style`: the policy forbids them. A script of a page is a file under static/, in
the block `scripts`; the styles of a page are a file in the block `styles`. Every error of ruie's
own tree becomes a page that says what is wrong and what to do.
"""
