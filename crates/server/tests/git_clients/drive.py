"""Drives the git libraries for Python, as a program that embeds them would.

    drive.py dulwich|pygit2 clone|clone-depth-1|fetch|update URL FOLDER USER TOKEN

`fetch` makes an empty repository and fetches into it; `update` fetches in a copy that is there. What the library
lets its caller know, messages of the server included, goes to standard error, and a failure to exit code 1.
"""

import sys


def show(text):
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    sys.stderr.write(text)


class Stream:
    """What dulwich writes progress to."""

    def write(self, data):
        show(data)

    def flush(self):
        pass


def with_dulwich(verb, url, folder, user, token):
    from dulwich import porcelain

    said = {"errstream": Stream(), "username": user, "password": token}
    if verb == "clone":
        porcelain.clone(url, folder, **said)
    elif verb == "clone-depth-1":
        porcelain.clone(url, folder, depth=1, **said)
    else:
        if verb == "fetch":
            repo = porcelain.init(folder)
            config = repo.get_config()
            config.set((b"remote", b"origin"), b"url", url.encode())
            config.set((b"remote", b"origin"), b"fetch", b"+refs/heads/*:refs/remotes/origin/*")
            config.write_to_path()
        porcelain.fetch(folder, "origin", **said)


def with_pygit2(verb, url, folder, user, token):
    import pygit2

    class Callbacks(pygit2.RemoteCallbacks):
        def sideband_progress(self, string):
            show(string)

    callbacks = Callbacks(credentials=pygit2.UserPass(user, token))
    if verb == "clone":
        pygit2.clone_repository(url, folder, callbacks=callbacks)
    elif verb == "clone-depth-1":
        pygit2.clone_repository(url, folder, callbacks=callbacks, depth=1)
    else:
        repo = pygit2.init_repository(folder) if verb == "fetch" else pygit2.Repository(folder)
        if verb == "fetch":
            repo.remotes.create("origin", url)
        repo.remotes["origin"].fetch(callbacks=callbacks)


def main():
    library, verb, url, folder, user, token = sys.argv[1:]
    try:
        {"dulwich": with_dulwich, "pygit2": with_pygit2}[library](verb, url, folder, user, token)
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


main()
