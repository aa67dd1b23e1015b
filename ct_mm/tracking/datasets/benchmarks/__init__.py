"""One reader per benchmark; importing this package registers them."""
from .got10k import GOT10kDataset
from .lasot import LaSOTDataset
from .lasot_ext import LaSOTExtDataset
from .nfs import NfSDataset
from .otb100 import OTB100Dataset
from .sequence_dataset import SequenceDataset
from .sequence_folder import SequenceFolder
from .sot_coco import SOTCocoDataset
from .sot_imagenet_vid import SOTImageNetVIDDataset
from .tnl2k import TNL2KDataset
from .trackingnet import TrackingNetDataset
from .uav123 import UAV123Dataset

__all__ = [
    'GOT10kDataset', 'LaSOTDataset', 'LaSOTExtDataset', 'NfSDataset', 'OTB100Dataset', 'SOTCocoDataset',
    'SOTImageNetVIDDataset', 'SequenceDataset', 'SequenceFolder', 'TNL2KDataset', 'TrackingNetDataset', 'UAV123Dataset'
]
