/* DL4J: save the gradients of each iteration as .npy files, a folder a step; `gradclip stats run/` reads them after
 * `python pack.py run/`, which is numpy.savez of the arrays of each folder. Not run by any test. */

// --- recipe
import java.io.File;
import java.util.Map;
import org.deeplearning4j.nn.api.Model;
import org.deeplearning4j.optimize.api.BaseTrainingListener;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

public class DumpingListener extends BaseTrainingListener {
    private final File folder;
    private int step = 0;

    public DumpingListener(File folder) {
        this.folder = folder;
    }

    /** Called after the backward pass and before the updater, where DL4J normalises gradients. */
    @Override
    public void onGradientCalculation(Model model) {
        File own = new File(folder, String.format("step_%06d", step++));
        own.mkdirs();
        for (Map.Entry<String, INDArray> one : model.gradient().gradientForVariable().entrySet()) {
            Nd4j.writeAsNumpy(one.getValue(), new File(own, one.getKey() + ".npy"));
        }
    }
}
// --- end
