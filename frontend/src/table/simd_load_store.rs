//! Advanced SIMD structure loads and stores.

use super::instruction_class;
use crate::lift::simd_load_store::*;

instruction_class! { SimdLoadStore;
    // Multiple structures; LD1 and ST1 by number of registers.
    ST1_multiple_1      "0q001100 00000000 0111ssnn nnnttttt" [ST1]  MultipleStructures  Next st1_multiple(1);
    ST1_multiple_1_post "0q001100 100mmmmm 0111ssnn nnnttttt" [ST1]  MultipleStructures  Next st1_multiple(1);
    ST1_multiple_2      "0q001100 00000000 1010ssnn nnnttttt" [ST1]  MultipleStructures  Next st1_multiple(2);
    ST1_multiple_2_post "0q001100 100mmmmm 1010ssnn nnnttttt" [ST1]  MultipleStructures  Next st1_multiple(2);
    ST1_multiple_3      "0q001100 00000000 0110ssnn nnnttttt" [ST1]  MultipleStructures  Next st1_multiple(3);
    ST1_multiple_3_post "0q001100 100mmmmm 0110ssnn nnnttttt" [ST1]  MultipleStructures  Next st1_multiple(3);
    ST1_multiple_4      "0q001100 00000000 0010ssnn nnnttttt" [ST1]  MultipleStructures  Next st1_multiple(4);
    ST1_multiple_4_post "0q001100 100mmmmm 0010ssnn nnnttttt" [ST1]  MultipleStructures  Next st1_multiple(4);
    ST2_multiple        "0q001100 00000000 1000ssnn nnnttttt" [ST2]  MultipleStructures  Next st2_multiple();
    ST2_multiple_post   "0q001100 100mmmmm 1000ssnn nnnttttt" [ST2]  MultipleStructures  Next st2_multiple();
    ST3_multiple        "0q001100 00000000 0100ssnn nnnttttt" [ST3]  MultipleStructures  Next st3_multiple();
    ST3_multiple_post   "0q001100 100mmmmm 0100ssnn nnnttttt" [ST3]  MultipleStructures  Next st3_multiple();
    ST4_multiple        "0q001100 00000000 0000ssnn nnnttttt" [ST4]  MultipleStructures  Next st4_multiple();
    ST4_multiple_post   "0q001100 100mmmmm 0000ssnn nnnttttt" [ST4]  MultipleStructures  Next st4_multiple();
    LD1_multiple_1      "0q001100 01000000 0111ssnn nnnttttt" [LD1]  MultipleStructures  Next ld1_multiple(1);
    LD1_multiple_1_post "0q001100 110mmmmm 0111ssnn nnnttttt" [LD1]  MultipleStructures  Next ld1_multiple(1);
    LD1_multiple_2      "0q001100 01000000 1010ssnn nnnttttt" [LD1]  MultipleStructures  Next ld1_multiple(2);
    LD1_multiple_2_post "0q001100 110mmmmm 1010ssnn nnnttttt" [LD1]  MultipleStructures  Next ld1_multiple(2);
    LD1_multiple_3      "0q001100 01000000 0110ssnn nnnttttt" [LD1]  MultipleStructures  Next ld1_multiple(3);
    LD1_multiple_3_post "0q001100 110mmmmm 0110ssnn nnnttttt" [LD1]  MultipleStructures  Next ld1_multiple(3);
    LD1_multiple_4      "0q001100 01000000 0010ssnn nnnttttt" [LD1]  MultipleStructures  Next ld1_multiple(4);
    LD1_multiple_4_post "0q001100 110mmmmm 0010ssnn nnnttttt" [LD1]  MultipleStructures  Next ld1_multiple(4);
    LD2_multiple        "0q001100 01000000 1000ssnn nnnttttt" [LD2]  MultipleStructures  Next ld2_multiple();
    LD2_multiple_post   "0q001100 110mmmmm 1000ssnn nnnttttt" [LD2]  MultipleStructures  Next ld2_multiple();
    LD3_multiple        "0q001100 01000000 0100ssnn nnnttttt" [LD3]  MultipleStructures  Next ld3_multiple();
    LD3_multiple_post   "0q001100 110mmmmm 0100ssnn nnnttttt" [LD3]  MultipleStructures  Next ld3_multiple();
    LD4_multiple        "0q001100 01000000 0000ssnn nnnttttt" [LD4]  MultipleStructures  Next ld4_multiple();
    LD4_multiple_post   "0q001100 110mmmmm 0000ssnn nnnttttt" [LD4]  MultipleStructures  Next ld4_multiple();

    // Single structure.
    ST1_single          "0q001101 00000000 cc0sssnn nnnttttt" [ST1]  SingleStructure     Next store_single(1);
    ST1_single_post     "0q001101 100mmmmm cc0sssnn nnnttttt" [ST1]  SingleStructure     Next store_single(1);
    ST2_single          "0q001101 00100000 cc0sssnn nnnttttt" [ST2]  SingleStructure     Next store_single(2);
    ST2_single_post     "0q001101 101mmmmm cc0sssnn nnnttttt" [ST2]  SingleStructure     Next store_single(2);
    ST3_single          "0q001101 00000000 cc1sssnn nnnttttt" [ST3]  SingleStructure     Next store_single(3);
    ST3_single_post     "0q001101 100mmmmm cc1sssnn nnnttttt" [ST3]  SingleStructure     Next store_single(3);
    ST4_single          "0q001101 00100000 cc1sssnn nnnttttt" [ST4]  SingleStructure     Next store_single(4);
    ST4_single_post     "0q001101 101mmmmm cc1sssnn nnnttttt" [ST4]  SingleStructure     Next store_single(4);
    LD1_single          "0q001101 01000000 cc0sssnn nnnttttt" [LD1]  SingleStructure     Next load_single(1);
    LD1_single_post     "0q001101 110mmmmm cc0sssnn nnnttttt" [LD1]  SingleStructure     Next load_single(1);
    LD2_single          "0q001101 01100000 cc0sssnn nnnttttt" [LD2]  SingleStructure     Next load_single(2);
    LD2_single_post     "0q001101 111mmmmm cc0sssnn nnnttttt" [LD2]  SingleStructure     Next load_single(2);
    LD3_single          "0q001101 01000000 cc1sssnn nnnttttt" [LD3]  SingleStructure     Next load_single(3);
    LD3_single_post     "0q001101 110mmmmm cc1sssnn nnnttttt" [LD3]  SingleStructure     Next load_single(3);
    LD4_single          "0q001101 01100000 cc1sssnn nnnttttt" [LD4]  SingleStructure     Next load_single(4);
    LD4_single_post     "0q001101 111mmmmm cc1sssnn nnnttttt" [LD4]  SingleStructure     Next load_single(4);

    // Single structure, replicated.
    LD1R                "0q001101 01000000 1100ssnn nnnttttt" [LD1R] ReplicatedStructure Next load_replicated(1);
    LD1R_post           "0q001101 110mmmmm 1100ssnn nnnttttt" [LD1R] ReplicatedStructure Next load_replicated(1);
    LD2R                "0q001101 01100000 1100ssnn nnnttttt" [LD2R] ReplicatedStructure Next load_replicated(2);
    LD2R_post           "0q001101 111mmmmm 1100ssnn nnnttttt" [LD2R] ReplicatedStructure Next load_replicated(2);
    LD3R                "0q001101 01000000 1110ssnn nnnttttt" [LD3R] ReplicatedStructure Next load_replicated(3);
    LD3R_post           "0q001101 110mmmmm 1110ssnn nnnttttt" [LD3R] ReplicatedStructure Next load_replicated(3);
    LD4R                "0q001101 01100000 1110ssnn nnnttttt" [LD4R] ReplicatedStructure Next load_replicated(4);
    LD4R_post           "0q001101 111mmmmm 1110ssnn nnnttttt" [LD4R] ReplicatedStructure Next load_replicated(4);
}
