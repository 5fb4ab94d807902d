"""files.*: an upload in three steps: ask for an address, send the bytes there, share the file."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import MethodCall, MethodSpec
from lab.workspace.methods.chat import author
from lab.workspace.refusal import MethodRefusal
from lab.workspace.state import Upload

Json = dict[str, Any]


async def ask(call: MethodCall) -> Json:
    name = call.need("filename")
    call.need("length")
    upload = Upload(call.world.mint.new("F0"), name, name, call.text("alt_txt"))
    call.world.uploads[upload.id] = upload
    return {"upload_url": f"{call.world.base_url}/upload/{upload.id}", "file_id": upload.id}


async def complete(call: MethodCall) -> Json:
    uploads = [_upload(call, one) for one in call.structure("files") or ()]
    files = [_wire(call, upload) for upload in uploads]
    if call.text("channel_id"):
        _share(call, files)
    return {"files": files}


def _upload(call: MethodCall, wanted: Json) -> Upload:
    upload = call.world.uploads.get(wanted.get("id", ""))
    if upload is None or not upload.filled:
        raise MethodRefusal("file_not_found")
    upload.title = wanted.get("title") or upload.name
    return upload


def _share(call: MethodCall, files: list[Json]) -> None:
    channel = call.joined("channel_id")
    content: Json = {"text": call.text("initial_comment"), "files": files, "upload": True}
    if blocks := call.structure("blocks"):
        content["blocks"] = blocks
    call.world.post(channel, {**author(call), "subtype": "file_share"}, content, call.text("thread_ts") or None)


def _wire(call: MethodCall, upload: Upload) -> Json:
    address = f"{call.world.base_url}/files/{upload.id}/{upload.name}"
    picture = upload.mimetype.startswith("image/")
    shown = {"alt_txt": upload.alt_text} if picture else {"preview": upload.content[:2000].decode(errors="replace")}
    return {
        "id": upload.id,
        "name": upload.name,
        "title": upload.title,
        "size": len(upload.content),
        "mimetype": upload.mimetype,
        "filetype": upload.mimetype.partition("/")[2] if picture else "text",
        "mode": "hosted" if picture else "snippet",
        "user": call.app.bot_user,
        "url_private": address,
        "url_private_download": address,
        "permalink": address,
        **shown,
    }


METHODS = {
    "files.getUploadURLExternal": MethodSpec(ask, ("files:write",), tier=4),
    "files.completeUploadExternal": MethodSpec(complete, ("files:write",), tier=4),
}
