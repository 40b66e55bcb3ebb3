"""Machines that `lid batch` is meant for, made on this one: a store like S3, and a Ray cluster of two nodes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import fsspec


@contextmanager
def store() -> Iterator[fsspec.AbstractFileSystem]:
    """S3 on 127.0.0.1, which this process and those that it starts take for the real one; an fsspec file system."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    place = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_EC2_METADATA_DISABLED": "true"}
    with mock.patch.dict(os.environ, {**keys, **place}):
        yield fsspec.filesystem("s3")
    server.stop()


@contextmanager
def two_nodes() -> Iterator[str]:
    """The address of a Ray cluster of two nodes, each with room for one worker."""
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 100 * 1024**2, "include_dashboard": False}
    for left in (2, 1, 0):  # Ray gives itself half a minute, which a busy machine may not have
        try:
            running = Cluster(initialize_head=True, head_node_args=options)
            running.add_node(num_cpus=1, object_store_memory=options["object_store_memory"])
            break
        except Exception:
            if not left:
                raise
    yield running.address
    running.shutdown()
