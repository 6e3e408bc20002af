"""A network that is traced in a few seconds, for tests of whole trainings."""

TERMS = (
    "task.model.input_size=[64,64],task.model.backbone.resnet={model_id: 10, depth_multiplier: 0.25},"
    "task.model.head.num_filters=16,task.model.protonet.num_filters=16,"
    "task.model.decoder.yolact_fpn.num_filters=16"
)
