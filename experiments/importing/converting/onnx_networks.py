"""Which networks of timm and torchvision are converted: of each family the smallest or one more.

Chosen by family before it was known which are carried. Left out afterwards: what makes a larger
file than kilograd reads (VGG, AlexNet), and what takes no samples of this size (bat_resnext26ts,
efficientformerv2_s0, mixer_b16_224).
"""

_TORCHVISION = (
    *("convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "mnasnet0_5"),
    *("mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5"),
    "squeezenet1_1",
)

_TIMM = (
    *("convmixer_768_32", "convnext_atto", "cs3darknet_focus_s", "cspdarknet53"),
    *("cspnext_tiny", "cspresnet50", "darknet53", "densenetblur121d", "dla46_c", "dla46x_c"),
    *("dla60_res2net", "dpn48b", "eca_nfnet_l0", "ecaresnet26t", "edgenext_xx_small"),
    *("efficientnet_b0_gn", "efficientnet_cc_b0_4e", "efficientnet_lite0"),
    *("efficientvit_b0", "efficientvit_m0", "ese_vovnet19b_slim_dw", "fasternet_t0", "fastvit_t8"),
    *("fbnetc_100", "fbnetv3_b", "gcresnet33ts", "ghostnet_050", "ghostnetv2_100"),
    *("ghostnetv3_050", "hardcorenas_a", "hgnetv2_b0", "hrnet_w18_small", "inception_next_atto"),
    *("inception_v4", "lcnet_035", "lcnetv2_small", "legacy_seresnet18", "legacy_xception"),
    *("lowformer_b0", "mixnet_s", "mobilenetv1_100", "mobilenetv3_rw"),
    *("mobilenetv4_conv_medium", "mobilenetv4_conv_small_050", "mobileone_s0", "mobilevit_xxs"),
    *("nf_regnet_b0", "nf_resnet26", "poolformer_s12", "regnetx_002", "regnety_002", "regnetz_005"),
    *("repghostnet_050", "repvgg_a0", "repvit_m0_9", "res2net50_14w_8s", "resnest14d", "resnet10t"),
    *("resnetblur18", "resnetrs50", "resnetv2_18", "rexnet_100", "selecsls42", "shvit_s1"),
    *("skresnet18", "starnet_s050", "starnet_s1", "swiftformer_xs", "test_byobnet"),
    *("test_efficientnet", "test_mambaout", "test_resnet", "test_vit", "tf_efficientnet_b0"),
    *("tf_efficientnet_es", "tf_efficientnet_lite0", "tf_efficientnetv2_b0", "tf_mixnet_s"),
    *("tf_mobilenetv3_small_minimal_100", "tinynet_e", "tresnet_m", "xception41p"),
)

NETWORKS = (
    *(f"torchvision: {name}" for name in _TORCHVISION),
    *(f"timm: {name}" for name in _TIMM),
)

#: Height and width of a sample, in pixels.
SIZE = 64
#: Where it is too small for the network.
SIZES = {
    "torchvision: googlenet": 96,
    "torchvision: inception_v3": 128,
    "timm: inception_v4": 128,
}
