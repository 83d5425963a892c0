"""Small float .onnx files, as exporters write them."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class FloatDraft:
    """A float network in the making."""

    def __init__(self, shape=(1, 3, 8, 8), seed=1, batch=None):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants, self.count = [], [], 0
        shape = [batch or shape[0], *shape[1:]]
        self.input = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
        self.last = "image"

    def constant(self, name, data):
        self.constants.append(numpy_helper.from_array(np.asarray(data), name))
        return name

    def add(self, operator, *more, reads=None, **attributes):
        self.count += 1
        made = f"{operator.lower()}_{self.count}"
        inputs = [*(reads or [self.last]), *more]
        self.nodes.append(helper.make_node(operator, inputs, [made], f"node_{made}", **attributes))
        self.last = made
        return made

    def parameters(self, shape, name):
        spread = 1.5 / np.sqrt(np.prod(shape[1:]))
        weight = self.rng.normal(0, spread, shape).astype(np.float32)
        bias = self.rng.normal(0, 0.1, shape[0]).astype(np.float32)
        return [self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)]

    def conv(self, name, shape, pads=1, **options):
        options = {"pads": [pads] * 4} | options
        return self.add("Conv", *self.parameters(shape, name), **options)

    def normalize(self, channels, name):
        values = {
            "scale": self.rng.uniform(0.5, 1.5, channels),
            "shift": self.rng.normal(0, 0.2, channels),
            "mean": self.rng.normal(0, 0.2, channels),
            "variance": self.rng.uniform(0.5, 1.5, channels),
        }
        given = [self.constant(f"{name}.{k}", v.astype(np.float32)) for k, v in values.items()]
        return self.add("BatchNormalization", *given)

    def write(self, path, opset=18, outputs=1):
        result = [
            helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)
            for _ in range(outputs)
        ]
        graph = helper.make_graph(self.nodes, "net", [self.input], result, self.constants)
        imports = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=9)
        path.write_bytes(model.SerializeToString())
        return path


def float_network(classes=2, draft=None, **options):
    """A pad, batch normalizations, ReLU6, a depthwise layer, a join, a pool, a dense layer."""
    draft = draft or FloatDraft(**options)
    draft.add("Pad", draft.constant("pads", np.array([0, 0, 0, 0, 0, 0, 1, 1])))
    draft.conv("stem", (6, 3, 3, 3), 0, strides=[2, 2])
    draft.normalize(6, "stem.norm")
    bounds = [draft.constant("low", np.float32(0)), draft.constant("high", np.float32(6))]
    entry = draft.add("Clip", *bounds)
    draft.conv("depth", (6, 1, 3, 3), group=6)
    draft.normalize(6, "depth.norm")
    draft.add("Relu")
    branch = draft.conv("project", (6, 6, 1, 1), 0)
    draft.add("Add", reads=[entry, branch])
    draft.add("AveragePool", kernel_shape=[4, 4])
    draft.add("Flatten")
    draft.add("Gemm", *draft.parameters((classes, 6), "head"), transB=1)
    return draft
